"""What our own browser client sends: all that a page has to say, in one request."""
