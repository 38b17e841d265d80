-- migration: schema=2
-- What ended workers, by the record that they were at; what an operator skips; who sent a dead letter; and why a
-- partition is stopped.

CREATE TABLE worker_death (
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    until     bigint NOT NULL,
    deaths    integer NOT NULL,
    error     text NOT NULL,
    died_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset", until)
);

COMMENT ON TABLE worker_death IS 'Records that have ended workers and are not committed yet.';
COMMENT ON COLUMN worker_death."offset" IS 'The first record that it may have been.';
COMMENT ON COLUMN worker_death.until IS
    'The offset behind the last record that it may have been; equal to "offset": the checkpoint there could not be restored.';
COMMENT ON COLUMN worker_death.deaths IS 'Workers that it ended; at 3 the partition is stopped before it.';

CREATE TABLE skipped_record (
    topic      text NOT NULL,
    partition  integer NOT NULL,
    "offset"   bigint NOT NULL,
    reason     text NOT NULL,
    skipped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);

COMMENT ON TABLE skipped_record IS 'Records that an operator makes dead letters, whatever they are; removed once they are.';

ALTER TABLE partition_state ADD COLUMN attempts integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN partition_state.attempts IS 'Owners since the last commit, the present one included.';

ALTER TABLE dead_letter ADD COLUMN producer text;

COMMENT ON COLUMN dead_letter.producer IS 'Who sent it; empty or NULL: not known.';

ALTER TABLE breaker ADD COLUMN kind text;

COMMENT ON COLUMN breaker.kind IS
    'Why it is stopped: bad_messages, unknown_version, unknown_state, deaths or restore; NULL: an older build does not say.';
