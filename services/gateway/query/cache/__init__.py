"""The cache: blocks of grouped rows, valid by the log."""
