-- Ids of clients' batches that have counted, so that repeats are known across restarts: one row for each commit and
-- partition, written in the transaction that moves the checkpoint. Hashes do not compress.

CREATE TABLE batch_id (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    received_at timestamptz NOT NULL,
    next_offset bigint NOT NULL,
    marks       bytea NOT NULL,
    ids         bytea NOT NULL,
    notes       bytea NOT NULL,
    PRIMARY KEY (topic, partition, received_at, next_offset)
);

ALTER TABLE batch_id
    ALTER COLUMN marks SET STORAGE EXTERNAL, ALTER COLUMN ids SET STORAGE EXTERNAL, ALTER COLUMN notes SET STORAGE EXTERNAL;

COMMENT ON TABLE batch_id IS 'Ids of batches that have counted in a partition; kept for a day of its log time.';
COMMENT ON COLUMN batch_id.received_at IS 'Log time of the newest of them: the highest receive time so far.';
COMMENT ON COLUMN batch_id.marks IS 'The first 3 bytes of each id: to find the row of an id without reading all ids.';
COMMENT ON COLUMN batch_id.ids IS '16 bytes each, in the order of the log.';
COMMENT ON COLUMN batch_id.notes IS
    '16 bytes for each, little-endian: hash of the body (8), log time in seconds (4), rows that counted (4).';
