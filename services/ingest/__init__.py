"""Stores each event once, derives points from it and follows sessions through funnels."""
