"""Brings points and events to the log."""
