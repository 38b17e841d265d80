"""The local servers: Kafka, Postgres and Redis, and what they need from the machine."""
