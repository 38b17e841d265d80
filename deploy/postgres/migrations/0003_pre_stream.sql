-- Postgres is the checkpoint: one row for each consumed partition says who owns it, where its owner stands and what
-- was open there. Snapshots are compressed already, so they are stored as they are.

CREATE TABLE partition_state (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    epoch        bigint NOT NULL,
    owner        text NOT NULL,
    next_offset  bigint NOT NULL,
    watermark_ms bigint,
    seen         bytea NOT NULL,
    snapshot     bytea,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

ALTER TABLE partition_state ALTER COLUMN snapshot SET STORAGE EXTERNAL;

CREATE TABLE dead_letter (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    code        text NOT NULL,
    reason      text NOT NULL,
    value       bytea,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
