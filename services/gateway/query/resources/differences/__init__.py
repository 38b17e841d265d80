"""What is different about a part of a metric: which label values are in it more often than elsewhere."""
