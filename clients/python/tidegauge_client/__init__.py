"""The client of Tidegauge for Python applications."""
