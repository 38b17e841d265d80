"""Kafka, Postgres, the network and the event loop in one process: what goes wrong follows from a seed."""
