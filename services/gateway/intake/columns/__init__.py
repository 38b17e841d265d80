"""Columns of points, and what fills them."""
