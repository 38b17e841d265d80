"""What the gateway takes in: points and events."""
