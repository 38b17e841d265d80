"""Rows as files of columns: what exports and the archive share."""
