"""The way of items to the gateway: queue, batch, connection, answer."""
