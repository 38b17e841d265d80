"""What may be asked of a metric: which series, how grouped, over which windows, in which figures."""
