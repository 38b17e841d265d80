"""The technologies around the intake: the pump, Kafka and Postgres."""
