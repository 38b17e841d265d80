"""Rows to export, and clients that take exports."""
