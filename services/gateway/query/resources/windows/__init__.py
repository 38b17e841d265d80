"""Windows of a metric, closed and live."""
