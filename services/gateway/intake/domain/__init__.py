"""What is admitted, within which limits, and counted how."""
