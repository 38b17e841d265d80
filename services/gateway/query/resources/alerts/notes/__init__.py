"""Notes: what people say of an episode of an alert."""
