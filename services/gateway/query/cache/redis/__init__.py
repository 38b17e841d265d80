"""What all processes share of the cache, in Redis. Nothing in it is needed: it can be emptied at any time."""
