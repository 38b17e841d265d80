"""PromQL as arithmetic: rows in, arrays of values out."""
