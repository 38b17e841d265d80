"""Exports: rows as files, streamed under one snapshot, never capped, and provably whole."""
