"""Running totals: how they become increments. Pure."""
