-- migration: schema=2
-- The secret that keys series ids. A new installation draws one; where a worker has ever run, ids stay what they are, for
-- series are routed and stored by them. gen_random_uuid() takes its bits from the operating system.

CREATE TABLE installation (
    single        boolean PRIMARY KEY DEFAULT true CHECK (single),
    series_secret bytea NOT NULL CHECK (length(series_secret) IN (0, 32))
);

COMMENT ON TABLE installation IS 'One row: what all processes of this installation share.';
COMMENT ON COLUMN installation.series_secret IS 'Key of the hash that makes series ids; empty: the hash without a key.';

INSERT INTO installation (series_secret)
SELECT CASE
    WHEN EXISTS (SELECT FROM partition_state) OR EXISTS (SELECT FROM series) THEN ''::bytea
    ELSE uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
END;

CREATE TABLE series_collision (
    series    bytea PRIMARY KEY,
    series_id bigint NOT NULL,
    found_at  timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE series_collision IS
    'Series whose id another series had first, as bytes; their rows are those of series labelled overflow="true".';

COMMENT ON COLUMN ledger_1m.tenant_id IS 'Who sent it; 0: messages that were lost, whose points nobody knows.';
COMMENT ON COLUMN ledger_1m.outcome IS
    'received and derived came in; counted, duplicate, conflict, stale_total, rejected:CODE, dead_lettered:CODE and lost '
    'became of it.';
COMMENT ON COLUMN ledger_1m.count IS 'Rows of points, or events; of lost, messages.';
