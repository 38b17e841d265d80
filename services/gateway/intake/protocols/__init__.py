"""One folder a protocol: decode, map, examples."""
