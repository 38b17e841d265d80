"""A folder a protocol: decode, map and examples; `registry` says which of them answers which path."""
