"""What became of a batch."""
