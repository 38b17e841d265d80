"""Which metrics, labels and values there are."""
