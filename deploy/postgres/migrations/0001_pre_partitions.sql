-- Time-partitioned tables are made and dropped by one function, so that every table keeps its promise of retention
-- in the same way. It is safe to call from several sessions at once.

CREATE FUNCTION ensure_partitions(parent regclass, step interval, ahead interval, keep interval)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    step_s  bigint := extract(epoch FROM step);
    at_s    bigint;
    last_s  bigint;
    child   text;
    made    integer := 0;
    old     record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'), parent::oid::integer);
    at_s := floor(extract(epoch FROM now() - keep) / step_s) * step_s;
    last_s := floor(extract(epoch FROM now() + ahead) / step_s) * step_s;
    WHILE at_s <= last_s LOOP
        child := format('%s_%s', parent::text, to_char(to_timestamp(at_s) AT TIME ZONE 'UTC', 'YYYYMMDD"t"HH24MI'));
        IF to_regclass(child) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                           child, parent, to_timestamp(at_s), to_timestamp(at_s + step_s));
            made := made + 1;
        END IF;
        at_s := at_s + step_s;
    END LOOP;
    FOR old IN
        SELECT c.oid::regclass AS name, right(c.relname, 13) AS since
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = parent
    LOOP
        -- Judged here and not in the query, which may look at the names of other relations first.
        IF to_timestamp(old.since, 'YYYYMMDD"t"HH24MI')::timestamp AT TIME ZONE 'UTC' + step < now() - keep - step THEN
            EXECUTE format('DROP TABLE %s', old.name);
        END IF;
    END LOOP;
    RETURN made;
END $$;

COMMENT ON FUNCTION ensure_partitions IS
    'Makes the partitions from now - keep to now + ahead and drops those older than keep; returns how many it made.';
