"""Takes personal data and secrets out of what comes in, before it is in the log."""
