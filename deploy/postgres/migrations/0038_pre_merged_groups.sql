-- migration: schema=2
-- Merged groups: the prepared groups of all partitions in one row, for windows of 15 minutes. A day of a metric is then as
-- many rows as it has windows, whatever the number of partitions. A row says which rows it was made of; where one of them
-- has been written since, it is not read. So nothing depends on who writes it, and when.

CREATE TABLE merged_group_15m (
    window_start timestamptz NOT NULL,
    tenant_id    bigint NOT NULL,
    metric       text NOT NULL,
    label_set    text NOT NULL,
    topic        text NOT NULL,
    made_of      uuid NOT NULL,
    packed       bytea NOT NULL,
    PRIMARY KEY (tenant_id, metric, label_set, window_start, topic)
) PARTITION BY RANGE (window_start);

-- Compressed already.
ALTER TABLE merged_group_15m ALTER COLUMN packed SET STORAGE EXTERNAL;

CREATE INDEX merged_group_15m_by_window ON merged_group_15m (window_start);

COMMENT ON TABLE merged_group_15m IS 'The rows of rollup_group_15m of all partitions, merged: derived, and read only while they stand.';
COMMENT ON COLUMN merged_group_15m.made_of IS
    'Digest of the versions of the rows that were merged (cluster, partition, xmin and ctid of each).';
COMMENT ON COLUMN merged_group_15m.packed IS 'As in rollup_group_15m.';

INSERT INTO retention (table_name, keep, least, step, ahead, behind) VALUES
    ('merged_group_15m', '400 days', '9 days', '20 days', '20 days', NULL);

SELECT prepare_partitions('merged_group_15m');
