"""What can be asked for by address: a folder a resource."""
