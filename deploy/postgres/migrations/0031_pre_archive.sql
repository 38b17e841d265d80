-- migration: schema=2
-- The archive: days of rows that cannot change any more, as files elsewhere. What is in it stands here, in the transaction
-- in which the rows were read; and a partition goes only when each of its days is there, if its table is to be archived.

ALTER TABLE retention
    ADD COLUMN archive boolean NOT NULL DEFAULT false,
    ADD CHECK (NOT archive OR table_name IN ('rollup_1m', 'rollup_15m', 'event'));

COMMENT ON COLUMN retention.archive IS 'Whether a partition waits until `tidegauge archive run` has written all of its days.';

CREATE TABLE archive_file (
    table_name text NOT NULL,
    tenant_id  bigint NOT NULL,
    day        date NOT NULL,
    name       text NOT NULL,
    rows       bigint NOT NULL,
    revisions  bigint NOT NULL,
    bytes      bigint NOT NULL,
    sha256     bytea NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (table_name, tenant_id, day)
);

COMMENT ON TABLE archive_file IS 'The files of the archive: all rows of a tenant and a day (UTC) of a table, each once.';
COMMENT ON COLUMN archive_file.name IS 'Path below the address of the archive.';
COMMENT ON COLUMN archive_file.revisions IS 'Sum of the revisions of the rows: a row that changed would change it.';

CREATE TABLE archive_day (
    table_name  text NOT NULL,
    day         date NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(),
    checked_at  timestamptz,
    dropped_at  timestamptz,
    PRIMARY KEY (table_name, day)
);

COMMENT ON TABLE archive_day IS 'Days that are in the archive, of all tenants; one without a file in archive_file had no rows.';
COMMENT ON COLUMN archive_day.checked_at IS 'When its rows were compared with the tables once more, past their retention; null: not yet.';
COMMENT ON COLUMN archive_day.dropped_at IS 'When the tables let go of its rows; null: they have them.';

SELECT set_config('search_path', format('%I, pg_catalog, pg_temp', current_schema()), true);

CREATE FUNCTION oldest_day(parent regclass) RETURNS date
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT min(to_date(right(c.relname, 13), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = parent AND c.relname ~ '_\d{8}t\d{4}$'
$$;

COMMENT ON FUNCTION oldest_day IS 'The day (UTC) on which the oldest partition begins.';

CREATE FUNCTION archived_until(wanted text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT min(each.day)::timestamp AT TIME ZONE 'UTC'
    FROM generate_series(oldest_day(wanted::regclass), (now() AT TIME ZONE 'UTC')::date, interval '1 day') AS each (day)
    WHERE NOT EXISTS (
        SELECT FROM archive_day a WHERE a.table_name = wanted AND a.day = each.day::date AND a.checked_at IS NOT NULL
    )
$$;

COMMENT ON FUNCTION archived_until IS 'Every day before this that the table still holds is in the archive, and was compared with it.';

CREATE OR REPLACE FUNCTION expire_partition(wanted text, OUT removed integer, OUT waiting integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    rule    retention;
    kept    interval;
    slowest timestamptz;
    emptied record;
BEGIN
    SELECT * INTO STRICT rule FROM retention WHERE table_name = wanted AND step IS NOT NULL;
    kept := rule.keep;
    IF rule.archive THEN
        -- What is not in the archive is kept for longer; nobody waits for it here.
        kept := greatest(kept, now() - archived_until(wanted) - rule.step - interval '1 second');
    END IF;
    SELECT * INTO removed, waiting FROM drop_partition(wanted::regclass, rule.step, kept);
    IF removed > 0 THEN
        UPDATE archive_day SET dropped_at = now()
        WHERE table_name = wanted AND dropped_at IS NULL AND day < oldest_day(wanted::regclass);
    END IF;
    IF waiting = 0 AND rule.behind IS NOT NULL THEN
        -- A log that was not read for days is folded into rows of its time: they are kept up until it has been read.
        SELECT least(now(), min(to_timestamp(coalesce(watermark_ms, 0) / 1000.0))) INTO slowest
        FROM partition_state WHERE topic LIKE '%telemetry.metrics.v1';
        SELECT * INTO emptied FROM empty_partition(wanted::regclass, rule.step, slowest - rule.behind);
        removed := removed + emptied.removed;
        waiting := emptied.waiting;
    END IF;
END $$;

COMMENT ON FUNCTION expire_partition IS
    'Drops or empties one partition of a table that is past retention, and in the archive where it is to be: call it again while some wait and one was removed.';
