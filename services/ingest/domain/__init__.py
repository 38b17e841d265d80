"""What is new, how far a session came. Pure."""
