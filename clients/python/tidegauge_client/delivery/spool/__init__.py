"""Batches on disk until they are answered: what the application handed over outlives it."""
