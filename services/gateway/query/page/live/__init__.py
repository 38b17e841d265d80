"""The live stream: what has changed of a question, pushed to all who ask it."""
