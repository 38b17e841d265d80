-- What the aggregator writes. A rollup is one row for each window and series; window first in the key, since rows
-- are written and read a window at a time.

CREATE TABLE series (
    series_id bigint PRIMARY KEY,
    tenant_id bigint NOT NULL,
    metric    text NOT NULL,
    kind      text NOT NULL,
    unit      text NOT NULL,
    labels    jsonb NOT NULL
);

CREATE INDEX series_by_metric ON series (tenant_id, metric);

CREATE TABLE rollup_10s (
    window_start  timestamptz NOT NULL,
    series_id     bigint NOT NULL,
    revision      integer NOT NULL,
    late_count    bigint NOT NULL,
    count         double precision NOT NULL,
    sum           double precision NOT NULL CHECK (sum > '-Infinity' AND sum < 'Infinity'),
    min           double precision,
    max           double precision,
    last          double precision,
    last_at       timestamptz,
    watermark     timestamptz NOT NULL,
    sketch_bucket smallint[] NOT NULL,
    sketch_weight double precision[] NOT NULL,
    PRIMARY KEY (window_start, series_id)
) PARTITION BY RANGE (window_start);

COMMENT ON TABLE rollup_10s IS 'Windows of 10 s of event time, each closed by the watermark and revised by late points.';
COMMENT ON COLUMN rollup_10s.revision IS 'Log messages that changed the row after its window closed.';
COMMENT ON COLUMN rollup_10s.watermark IS 'Watermark of the partition when the row got its present state.';
COMMENT ON COLUMN rollup_10s.sketch_bucket IS 'Buckets of the quantile sketch, ascending; sketch_weight holds their weights.';

SELECT ensure_partitions('rollup_10s', interval '6 hours', interval '1 day', interval '10 days');
