"""Rows of days that the tables have let go of, from the archive."""
