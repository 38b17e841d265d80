-- migration: schema=2
-- When a series last had points, so that one without a row in any tier can go.

ALTER TABLE series ADD COLUMN seen_on date NOT NULL DEFAULT current_date;

COMMENT ON COLUMN series.seen_on IS
    'A day on which it had points, at most some 60 days before the last one; it goes when no tier can have a row of it any more.';
