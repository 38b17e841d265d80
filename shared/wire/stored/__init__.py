"""What is kept in Postgres and Redis, as bytes."""
