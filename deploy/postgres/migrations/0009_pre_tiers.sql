-- Coarser tiers, what retractions and distinct strings add to a row, and which partition a series belongs to, so that
-- open coarse windows can be rebuilt from finer rows.

ALTER TABLE series ADD COLUMN topic text, ADD COLUMN partition integer;

CREATE INDEX series_by_partition ON series (topic, partition);

COMMENT ON COLUMN series.topic IS 'Topic that the points of the series come from; written by the owner of the partition.';

ALTER TABLE rollup_10s
    ADD COLUMN extremes_estimated boolean NOT NULL DEFAULT false,
    ADD COLUMN distinct_sketch bytea;

COMMENT ON COLUMN rollup_10s.extremes_estimated IS
    'Whether min and max are bounds taken from the sketch, since something was taken back.';
COMMENT ON COLUMN rollup_10s.distinct_sketch IS
    'HyperLogLog of 4,096 registers: 3 bytes an entry (register, rank), or 4,096 ranks; null: no strings came.';

CREATE TABLE rollup_1m (LIKE rollup_10s INCLUDING ALL) PARTITION BY RANGE (window_start);
CREATE TABLE rollup_15m (LIKE rollup_10s INCLUDING ALL) PARTITION BY RANGE (window_start);

COMMENT ON TABLE rollup_1m IS 'Windows of a minute: merges of closed windows of 10 s, revised by late points.';
COMMENT ON TABLE rollup_15m IS 'Windows of 15 minutes: merges of closed windows of a minute, revised by late points.';

CREATE FUNCTION keep_rollups() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    slowest timestamptz;
    old     record;
    held    boolean;
BEGIN
    PERFORM ensure_partitions('rollup_10s', interval '6 hours', interval '1 day', interval '10 days');
    PERFORM ensure_partitions('rollup_1m', interval '1 day', interval '2 days', interval '14 days');
    PERFORM ensure_partitions('rollup_15m', interval '20 days', interval '20 days', interval '400 days');
    -- Ten days of partitions exist whatever happens: a log that was not read for days is folded into rows of its time.
    -- They are emptied when no partition of the log can write to them any more.
    SELECT least(now(), min(to_timestamp(coalesce(watermark_ms, 0) / 1000.0))) - interval '6 hours' INTO slowest
    FROM partition_state WHERE topic LIKE '%telemetry.metrics.v1';
    FOR old IN
        SELECT c.oid::regclass AS name, right(c.relname, 13) AS since
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'rollup_10s'::regclass
    LOOP
        IF to_timestamp(old.since, 'YYYYMMDD"t"HH24MI')::timestamp AT TIME ZONE 'UTC' + interval '6 hours' < slowest THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', old.name) INTO held;
            IF held THEN
                EXECUTE format('TRUNCATE %s', old.name);
            END IF;
        END IF;
    END LOOP;
END $$;

COMMENT ON FUNCTION keep_rollups IS
    'Makes partitions of rollups ahead of time; keeps 6 hours of 10 s behind the slowest watermark, 14 days of a minute, 400 days of 15 minutes.';

SELECT keep_rollups();
