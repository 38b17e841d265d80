"""Silences: which alerts they are about, which is pure, and their table."""
