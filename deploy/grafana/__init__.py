"""Dashboards: what they show is said once, and written as files for Grafana and for Perses."""
