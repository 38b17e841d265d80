"""Windows of all tiers: what is open, what closes, what comes late. Pure."""
