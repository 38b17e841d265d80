"""One room for the ledger: what its entries say, what they add up to, and the table they are kept in."""
