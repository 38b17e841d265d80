"""What became of what a tenant sent."""
