"""One module for each body that clients may send."""
