"""Both ends of HTTP: a gateway with a client, and receivers of webhooks."""
