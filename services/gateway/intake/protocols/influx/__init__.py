"""InfluxDB line protocol."""
