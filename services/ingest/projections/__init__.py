"""What ingest makes of events, a module each: rows that it saves, and points that it derives."""
