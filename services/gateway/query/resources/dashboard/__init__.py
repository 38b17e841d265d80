"""A summary of all metrics, and what fires."""
