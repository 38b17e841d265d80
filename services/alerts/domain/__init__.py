"""What the two halves of alerts share: states and transitions."""
