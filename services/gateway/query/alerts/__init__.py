"""Alerts and their history."""
