"""The way of items to the gateway within an event loop, without a thread."""
