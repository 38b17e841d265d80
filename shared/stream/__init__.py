"""The pump: from a Kafka partition into Postgres exactly once, on either of two runtimes."""
