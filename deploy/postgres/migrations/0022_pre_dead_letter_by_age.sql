-- migration: schema=2, transaction=none
CREATE INDEX CONCURRENTLY IF NOT EXISTS dead_letter_by_age ON dead_letter (received_at);
