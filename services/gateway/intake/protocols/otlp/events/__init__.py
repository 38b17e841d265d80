"""Logs and traces of OTLP: lines, errors, vitals and events of users, and how long answers took."""
