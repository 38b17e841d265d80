"""Which log a partition is: its identity, how it is read, and whether it still is the one that was folded."""
