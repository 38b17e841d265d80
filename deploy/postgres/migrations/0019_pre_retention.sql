-- migration: schema=2
-- Partitions are made and dropped without standing in anybody's way, and one table says how long what is kept.
--
-- Attaching a partition takes SHARE UPDATE EXCLUSIVE on its table, which readers, writers and backups do not notice;
-- CREATE TABLE ... PARTITION OF took ACCESS EXCLUSIVE. Dropping one takes that still: it gives up after 50 ms, for all
-- who ask meanwhile queue behind it. Partitions are made for eight days ahead, so that a day of refusals harms nobody.

CREATE TABLE retention (
    table_name text PRIMARY KEY,
    keep       interval NOT NULL,
    least      interval NOT NULL,
    step       interval,
    ahead      interval,
    behind     interval,
    CHECK (keep >= least),
    CHECK ((step IS NULL) = (ahead IS NULL)),
    CHECK (step IS NOT NULL OR behind IS NULL)
);

COMMENT ON TABLE retention IS 'How long rows are kept; an operator may change `keep`. Tables with a step are partitioned by time.';
COMMENT ON COLUMN retention.least IS 'Less would break a promise: repeats, late points and replays need the rows.';
COMMENT ON COLUMN retention.step IS 'Span of a partition; null: rows are deleted one by one.';
COMMENT ON COLUMN retention.ahead IS 'Partitions are made for so long ahead.';
COMMENT ON COLUMN retention.behind IS
    'A partition is emptied when it lies so far behind the slowest watermark; it goes when it is past `keep`.';

INSERT INTO retention (table_name, keep, least, step, ahead, behind) VALUES
    ('rollup_10s',     '10 days',  '9 days', '6 hours', '8 days',  '6 hours'),
    ('rollup_1m',      '14 days',  '9 days', '1 day',   '8 days',  NULL),
    ('rollup_15m',     '400 days', '9 days', '20 days', '20 days', NULL),
    ('event',          '30 days',  '9 days', '1 day',   '8 days',  NULL),
    ('event_id',       '9 days',   '9 days', '1 day',   '8 days',  NULL),
    ('ledger_1m',      '30 days',  '4 days', '1 day',   '8 days',  NULL),
    ('funnel_entry',   '90 days',  '9 days', NULL,      NULL,      NULL),
    ('alert_event',    '400 days', '8 days', NULL,      NULL,      NULL),
    ('alert_instance', '400 days', '8 days', NULL,      NULL,      NULL),
    ('notification',   '7 days',   '2 days', NULL,      NULL,      NULL),
    ('dead_letter',    '90 days',  '4 days', NULL,      NULL,      NULL);

-- Functions that act with the rights of their owner must find its tables, and not those of the same name that a caller
-- has made for its own session: temporary ones come last.
SELECT set_config('search_path', format('%I, pg_catalog, pg_temp', current_schema()), true);

CREATE FUNCTION partition_since(parent regclass, at_s bigint) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT format('%I.%I', n.nspname, c.relname || to_char(to_timestamp(at_s) AT TIME ZONE 'UTC', '_YYYYMMDD"t"HH24MI'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = parent
$$;

COMMENT ON FUNCTION partition_since IS 'Name of the partition that begins at these seconds since 1970.';

CREATE FUNCTION partitions_before(parent regclass, step interval, before timestamptz) RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = parent AND CASE WHEN c.relname ~ '_\d{8}t\d{4}$' THEN
        (to_timestamp(right(c.relname, 13), 'YYYYMMDD"t"HH24MI')::timestamp AT TIME ZONE 'UTC') + step < before END
    ORDER BY right(c.relname, 13)
$$;

COMMENT ON FUNCTION partitions_before IS 'The partitions that end before an instant, oldest first.';

CREATE FUNCTION make_partition(parent regclass, at_s bigint, step_s bigint) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1s' AS $$
DECLARE
    child text := partition_since(parent, at_s);
BEGIN
    -- One session at a time, with the lock that attaching takes anyway; then what others have made is seen.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
    IF to_regclass(child) IS NOT NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', child, parent);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                   parent, child, to_timestamp(at_s), to_timestamp(at_s + step_s));
    RETURN 1;
END $$;

COMMENT ON FUNCTION make_partition IS 'Makes the partition that begins at these seconds since 1970, unless it is there; returns how many it made.';

CREATE FUNCTION make_partitions(parent regclass, step interval, ahead interval, keep interval) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    step_s  bigint := extract(epoch FROM step);
    first_s bigint := floor(extract(epoch FROM now() - keep) / step_s) * step_s;
    today_s bigint := floor(extract(epoch FROM now()) / step_s) * step_s;
    last_s  bigint := floor(extract(epoch FROM now() + ahead) / step_s) * step_s;
    at_s    bigint;
    made    integer := 0;
BEGIN
    FOR at_s IN
        SELECT each FROM generate_series(first_s, last_s, step_s) AS each
        WHERE to_regclass(partition_since(parent, each)) IS NULL ORDER BY each < today_s, each
    LOOP
        BEGIN
            made := made + make_partition(parent, at_s, step_s);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF at_s = today_s THEN
                RAISE;
            END IF;
            EXIT;
        END;
    END LOOP;
    RETURN made;
END $$;

COMMENT ON FUNCTION make_partitions IS
    'Makes the partitions from now - keep to now + ahead, that of now first; raises lock_not_available only when that one could not be made.';

CREATE FUNCTION drop_partition(parent regclass, step interval, keep interval, OUT removed integer, OUT waiting integer)
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '50ms' AS $$
DECLARE
    child regclass;
BEGIN
    removed := 0;
    SELECT * INTO child FROM partitions_before(parent, step, now() - keep - step) LIMIT 1;
    IF child IS NOT NULL THEN
        BEGIN
            EXECUTE format('DROP TABLE %s', child);
            removed := 1;
        -- Two workers may be at one old partition: who finds it gone has nothing to do.
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR undefined_table THEN
            removed := 0;
        END;
    END IF;
    SELECT count(*) INTO waiting FROM partitions_before(parent, step, now() - keep - step);
END $$;

COMMENT ON FUNCTION drop_partition IS
    'Drops the oldest partition that is past retention, unless somebody uses the table for longer than 50 ms; how many it dropped, and how many wait.';

CREATE FUNCTION empty_partition(parent regclass, step interval, before timestamptz, OUT removed integer, OUT waiting integer)
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '50ms' AS $$
DECLARE
    child regclass;
    held  boolean;
BEGIN
    removed := 0;
    waiting := 0;
    FOR child IN SELECT * FROM partitions_before(parent, step, before) LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', child) INTO held;
        IF held THEN
            waiting := waiting + 1;
            IF waiting = 1 THEN
                BEGIN
                    EXECUTE format('TRUNCATE %s', child);
                    removed := 1;
                EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                    removed := 0;
                END;
            END IF;
        END IF;
    END LOOP;
    waiting := waiting - removed;
END $$;

COMMENT ON FUNCTION empty_partition IS
    'Empties the oldest partition with rows that ends before an instant, as drop_partition drops; how many it emptied, and how many wait.';

-- What services call. These act with the rights of their owner, and do nothing but what the table `retention` says.

CREATE FUNCTION prepare_partitions(wanted text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    rule retention;
BEGIN
    SELECT * INTO STRICT rule FROM retention WHERE table_name = wanted AND step IS NOT NULL;
    RETURN make_partitions(wanted::regclass, rule.step, rule.ahead, rule.keep);
END $$;

COMMENT ON FUNCTION prepare_partitions IS 'Makes the partitions of a table as `retention` says; returns how many.';

CREATE FUNCTION expire_partition(wanted text, OUT removed integer, OUT waiting integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    rule    retention;
    slowest timestamptz;
    emptied record;
BEGIN
    SELECT * INTO STRICT rule FROM retention WHERE table_name = wanted AND step IS NOT NULL;
    SELECT * INTO removed, waiting FROM drop_partition(wanted::regclass, rule.step, rule.keep);
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
    'Drops or empties one partition of a table that is past retention: call it again while some wait and one was removed.';

REVOKE EXECUTE ON FUNCTION prepare_partitions(text), expire_partition(text) FROM PUBLIC;

-- What the build before calls.

CREATE OR REPLACE FUNCTION ensure_partitions(parent regclass, step interval, ahead interval, keep interval)
RETURNS integer LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    made integer := make_partitions(parent, step, ahead, keep);
BEGIN
    PERFORM drop_partition(parent, step, keep);
    RETURN made;
END $$;

CREATE OR REPLACE FUNCTION keep_rollups() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM prepare_partitions(name) FROM unnest(ARRAY['rollup_10s', 'rollup_1m', 'rollup_15m']) AS name;
    PERFORM expire_partition(name) FROM unnest(ARRAY['rollup_10s', 'rollup_1m', 'rollup_15m']) AS name;
END $$;

SELECT prepare_partitions(table_name) FROM retention WHERE step IS NOT NULL ORDER BY table_name;
