"""The technologies around the fold: the pump, Kafka, Postgres and Redis."""
