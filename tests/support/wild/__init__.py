"""Generated bodies of every protocol, around every edge: a module a family of protocols, each body from a seed."""
