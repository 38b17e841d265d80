"""Who asks: keys, what they grant, and the cache of known ones."""
