"""The technologies around the judgement: the pump, rule files, Postgres, Kafka, the outbox and its receivers."""
