"""What the page asks beside figures: sessions, what is live, keys."""
