"""Keys of a tenant, as its admins handle them."""
