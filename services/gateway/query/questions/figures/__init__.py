"""Figures of rows, and how sure they are."""
