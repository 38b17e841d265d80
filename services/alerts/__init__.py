"""The alert service in two halves: evaluation, windows to transitions; dispatch, transitions to receivers."""
