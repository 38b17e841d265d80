"""The rules of windows: pure, over arrays."""
