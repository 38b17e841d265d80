"""HTTP and Redis of the intake."""
