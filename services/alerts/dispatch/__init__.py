"""Dispatch: transitions to receivers, after the transaction that wrote them."""
