"""Writes closed days of rows into the archive."""
