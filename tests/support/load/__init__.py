"""Loads: points, events, clients and windows, with what must be in the tables after them."""
