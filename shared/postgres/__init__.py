"""One room for Postgres: connections, errors, instants, planning, binary COPY and maintenance of tables."""
