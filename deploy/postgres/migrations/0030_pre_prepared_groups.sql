-- migration: schema=2
-- Prepared groups: what the series of a metric have in common with each other, by some of their labels, summed up as their
-- windows close. A row holds all groups of one partition, window, metric and label set, packed: reading a day of a metric
-- takes as many rows as there are windows and partitions, however many series it has.

CREATE TABLE rollup_group_10s (
    window_start timestamptz NOT NULL,
    tenant_id    bigint NOT NULL,
    metric       text NOT NULL,
    label_set    text NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    packed       bytea NOT NULL,
    PRIMARY KEY (tenant_id, metric, label_set, window_start, topic, partition)
) PARTITION BY RANGE (window_start);

-- Compressed already.
ALTER TABLE rollup_group_10s ALTER COLUMN packed SET STORAGE EXTERNAL;

CREATE TABLE rollup_group_1m (LIKE rollup_group_10s INCLUDING ALL) PARTITION BY RANGE (window_start);
CREATE TABLE rollup_group_15m (LIKE rollup_group_10s INCLUDING ALL) PARTITION BY RANGE (window_start);

-- For the audit and the back-fill, which go window by window.
CREATE INDEX rollup_group_10s_by_window ON rollup_group_10s (window_start);
CREATE INDEX rollup_group_1m_by_window ON rollup_group_1m (window_start);
CREATE INDEX rollup_group_15m_by_window ON rollup_group_15m (window_start);

COMMENT ON TABLE rollup_group_10s IS 'Prepared groups in windows of 10 s: the merges of the rows of rollup_10s, revised with them.';
COMMENT ON TABLE rollup_group_1m IS 'Prepared groups in windows of a minute: the merges of the rows of rollup_1m, revised with them.';
COMMENT ON TABLE rollup_group_15m IS 'Prepared groups in windows of 15 minutes: the merges of the rows of rollup_15m, revised with them.';
COMMENT ON COLUMN rollup_group_10s.label_set IS 'Names of the labels that make a group, ascending, with commas between; empty: all series of the metric.';
COMMENT ON COLUMN rollup_group_10s.topic IS 'Topic and partition of the series: the groups of all partitions add up to those of the metric.';
COMMENT ON COLUMN rollup_group_10s.packed IS 'A version in a byte, then LZ4 of a batch of windows whose series bear the labels of the set alone.';

CREATE TABLE prepared_group (
    topic         text NOT NULL,
    partition     integer NOT NULL,
    resolution_ms integer NOT NULL,
    pattern       text NOT NULL,
    label_set     text NOT NULL,
    since         timestamptz NOT NULL,
    epoch         bigint NOT NULL,
    PRIMARY KEY (topic, partition, resolution_ms, pattern, label_set)
);

COMMENT ON TABLE prepared_group IS 'Which label sets each partition keeps, and since when.';
COMMENT ON COLUMN prepared_group.pattern IS 'Metrics that have the set; * stands for any signs.';
COMMENT ON COLUMN prepared_group.since IS
    'Start of the first window from which on all series of the partition whose metric matches are in its prepared groups.';
COMMENT ON COLUMN prepared_group.epoch IS
    'Epoch of the owner that keeps the set. Where partition_state has a later one, an owner that knows no groups has come since, and the row says nothing.';

INSERT INTO retention (table_name, keep, least, step, ahead, behind) VALUES
    ('rollup_group_10s', '10 days',  '9 days', '6 hours', '8 days',  '6 hours'),
    ('rollup_group_1m',  '14 days',  '9 days', '1 day',   '8 days',  NULL),
    ('rollup_group_15m', '400 days', '9 days', '20 days', '20 days', NULL);

SELECT prepare_partitions(name) FROM unnest(ARRAY['rollup_group_10s', 'rollup_group_1m', 'rollup_group_15m']) AS name;
