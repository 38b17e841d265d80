"""The JSON of our own, points and events."""
