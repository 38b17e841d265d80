"""The HTTP API of Prometheus: PromQL on the rows that every other question is answered from."""
