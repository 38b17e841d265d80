"""The peers: what a newcomer to the same libraries would write, and what the figures are compared with."""
