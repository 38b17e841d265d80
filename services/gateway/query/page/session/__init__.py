"""Sessions: a key, or a link that logs in once, becomes a cookie."""
