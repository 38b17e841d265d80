"""One room for Postgres: connections, errors, instants, planning, binary COPY, maintenance, and the schema accepted."""
