"""Commands about who may do what: tenants, API keys, and those who ask in SQL."""
