"""Events, newest first."""
