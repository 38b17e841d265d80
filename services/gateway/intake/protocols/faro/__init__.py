"""Grafana Faro's payload: measurements, events, exceptions and logs of browsers."""
