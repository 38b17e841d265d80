"""What is new, what is derived, how far a session came. Pure."""
