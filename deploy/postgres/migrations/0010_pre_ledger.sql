-- The ledger: what became of everything that was received. A row belongs to one partition of a topic, so that workers
-- never wait for each other, and is written in the transaction that moves the partition's checkpoint.

CREATE TABLE ledger_1m (
    minute    timestamptz NOT NULL,
    tenant_id bigint NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    outcome   text NOT NULL,
    count     bigint NOT NULL,
    PRIMARY KEY (minute, tenant_id, topic, partition, outcome)
) PARTITION BY RANGE (minute);

COMMENT ON TABLE ledger_1m IS 'What became of what was received, by minute of receive; kept for 30 days.';
COMMENT ON COLUMN ledger_1m.outcome IS
    'received and derived came in; counted, duplicate, conflict, stale_total, rejected:CODE and dead_lettered:CODE became of it.';
COMMENT ON COLUMN ledger_1m.count IS 'Rows of points, or events.';

SELECT ensure_partitions('ledger_1m', interval '1 day', interval '1 day', interval '30 days');
