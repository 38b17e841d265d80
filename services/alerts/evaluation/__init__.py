"""Evaluation: windows to transitions, within the transaction of the checkpoint."""
