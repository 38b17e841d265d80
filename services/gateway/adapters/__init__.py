"""One module for each technology that the gateway touches."""
