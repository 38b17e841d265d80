"""Folds points into event-time windows: live ones to Redis, closed ones to Postgres, exactly once."""
