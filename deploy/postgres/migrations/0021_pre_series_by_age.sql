-- migration: schema=2, transaction=none
CREATE INDEX CONCURRENTLY IF NOT EXISTS series_by_age ON series (seen_on);
