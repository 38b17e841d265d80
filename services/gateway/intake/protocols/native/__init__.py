"""Tidegauge's own JSON: points and events."""
