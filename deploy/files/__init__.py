"""Files of rows: exports that are fetched, and the archive that is written."""
