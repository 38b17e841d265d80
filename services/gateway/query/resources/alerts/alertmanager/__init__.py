"""Alerts and silences in the shape of Alertmanager, for amtool and Grafana."""
