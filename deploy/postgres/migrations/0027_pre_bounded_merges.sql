-- migration: schema=2
-- Merges of sketches and of distinct counts hold what is distinct in their group, not its rows: what comes is appended to a
-- state, and equal entries become one when the state has grown. The results are those of 0014 to the last bit, for weights
-- are added up in the order of the rows.

CREATE TYPE sketch_state AS (bucket smallint[], weight double precision[], distinct_entries integer);

COMMENT ON TYPE sketch_state IS
    'What sketch_merge holds: entries, the first `distinct_entries` of which have a bucket each. At most twice as many as these, or 3,000, and a row.';

CREATE FUNCTION sketch_compact(held sketch_state) RETURNS sketch_state
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    compact sketch_state;
BEGIN
    SELECT coalesce(array_agg(bucket), '{}'), coalesce(array_agg(weight), '{}'), count(*) INTO compact
    FROM (
        SELECT bucket, sum(weight) AS weight
        FROM (SELECT unnest(held.bucket) AS bucket, unnest(held.weight) AS weight) AS entry
        GROUP BY bucket ORDER BY bucket
    ) AS merged;
    RETURN compact;
END $$;

COMMENT ON FUNCTION sketch_compact IS 'The state with one entry a bucket, ascending.';

CREATE FUNCTION sketch_append(held sketch_state, one sketch) RETURNS sketch_state
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF cardinality(held.bucket) > 3000 AND cardinality(held.bucket) > 2 * held.distinct_entries THEN
        held := sketch_compact(held);
    END IF;
    held.bucket := held.bucket || one.bucket;
    held.weight := held.weight || one.weight;
    RETURN held;
END $$;

COMMENT ON FUNCTION sketch_append IS 'The state with the entries of one more sketch.';

CREATE FUNCTION sketch_combine(held sketch_state, other sketch_state) RETURNS sketch_state
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT sketch_append(held, ROW(other.bucket, other.weight)::sketch)';

COMMENT ON FUNCTION sketch_combine IS 'The state with the entries of another process.';

CREATE FUNCTION sketch_merged(held sketch_state) RETURNS sketch
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    held := sketch_compact(held);
    RETURN ROW(held.bucket, held.weight)::sketch;
END $$;

COMMENT ON FUNCTION sketch_merged IS 'The sketch that a state stands for.';

CREATE OR REPLACE AGGREGATE sketch_merge(sketch) (
    SFUNC = sketch_append, STYPE = sketch_state, INITCOND = '({},{},0)', COMBINEFUNC = sketch_combine,
    FINALFUNC = sketch_merged, PARALLEL = SAFE
);

-- The state of a distinct count is bytes: how many counts of 4,096 ranks follow (1 byte), these counts, then sparse entries of
-- 3 bytes (register, rank) of any number of counts. It is merged when it is longer than seven counts of 4,096 ranks.

CREATE FUNCTION distinct_rank(rank integer) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT substring(int2send(rank::smallint) FROM 2)';

COMMENT ON FUNCTION distinct_rank IS 'A rank as a byte.';

CREATE FUNCTION distinct_merge_dense(counts bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF length(counts) <= 4096 THEN
        RETURN counts || decode(repeat('00', 4096 - length(counts)), 'hex');
    END IF;
    counts := counts || decode(repeat('00', 8 * 4096 - length(counts)), 'hex');
    RETURN (
        SELECT string_agg(distinct_rank(greatest(
            get_byte(counts, at), get_byte(counts, at + 4096), get_byte(counts, at + 8192), get_byte(counts, at + 12288),
            get_byte(counts, at + 16384), get_byte(counts, at + 20480), get_byte(counts, at + 24576),
            get_byte(counts, at + 28672)
        )), '' ORDER BY at)
        FROM generate_series(0, 4095) AS at
    );
END $$;

COMMENT ON FUNCTION distinct_merge_dense IS 'Up to eight counts of 4,096 ranks each as one; of none, a count that has seen nothing.';

CREATE FUNCTION distinct_merged(held bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    dense  bytea := substring(held FROM 2 FOR 4096 * get_byte(held, 0));
    sparse bytea := substring(held FROM 2 + length(dense));
    merged bytea;
    size   bigint;
BEGIN
    IF dense = '' THEN
        SELECT coalesce(string_agg(int2send(register::smallint) || distinct_rank(rank), '' ORDER BY register), ''), 3 * count(*)
        INTO merged, size
        FROM (
            SELECT get_byte(sparse, at) * 256 + get_byte(sparse, at + 1) AS register, max(get_byte(sparse, at + 2)) AS rank
            FROM generate_series(0, length(sparse) - 1, 3) AS at GROUP BY 1
        ) AS entry;
        IF size < 4096 THEN
            RETURN merged;
        END IF;
    END IF;
    dense := distinct_merge_dense(dense);
    IF sparse = '' THEN
        RETURN dense;
    END IF;
    RETURN (
        SELECT string_agg(distinct_rank(rank), '' ORDER BY register)
        FROM (
            SELECT register, max(rank) AS rank
            FROM (
                SELECT get_byte(sparse, at) * 256 + get_byte(sparse, at + 1) AS register, get_byte(sparse, at + 2) AS rank
                FROM generate_series(0, length(sparse) - 1, 3) AS at
                UNION ALL
                SELECT at, get_byte(dense, at) FROM generate_series(0, 4095) AS at
            ) AS entry
            GROUP BY register
        ) AS merged_entry
    );
END $$;

COMMENT ON FUNCTION distinct_merged IS 'The distinct count that a state stands for.';

CREATE FUNCTION distinct_append(held bytea, one bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF length(held) > 28673 THEN
        held := distinct_append('\x00', distinct_merged(held));
    END IF;
    IF one IS NULL THEN
        RETURN held;
    ELSIF length(one) = 4096 THEN
        RETURN set_byte('\x00', 0, get_byte(held, 0) + 1) || one || substring(held FROM 2);
    END IF;
    RETURN held || one;
END $$;

COMMENT ON FUNCTION distinct_append IS 'The state with one more distinct count.';

CREATE FUNCTION distinct_combine(held bytea, other bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT distinct_append(held, distinct_merged(other))';

COMMENT ON FUNCTION distinct_combine IS 'The state with what another process has seen.';

CREATE OR REPLACE FUNCTION distinct_count(seen bytea) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6: the steps of
    -- shared/model/distinct.py, those over ranks that no register has taken at once, which halves as exactly.
    m        constant double precision := 4096;
    entry    constant integer := CASE WHEN length(seen) = 4096 THEN 1 ELSE 3 END;
    empty    double precision := m;
    above    integer := 53;
    z        double precision := 0;
    x        double precision;
    y        double precision;
    part     double precision;
    previous double precision;
    used     record;
BEGIN
    FOR used IN
        SELECT rank, count(*) AS registers
        FROM (SELECT get_byte(seen, at) AS rank FROM generate_series(entry - 1, length(seen) - 1, entry) AS at) AS entries
        WHERE rank > 0 GROUP BY rank ORDER BY rank DESC
    LOOP
        empty := empty - used.registers;
        IF used.rank < 53 THEN
            z := 0.5 * (z / 2.0::double precision ^ (above - 1 - used.rank) + used.registers);
            above := used.rank;
            CONTINUE;
        END IF;
        x := 1 - used.registers / m;
        y := 1;
        part := 1 - x;
        LOOP
            x := sqrt(x);
            previous := part;
            y := 0.5 * y;
            part := part - (1 - x) * (1 - x) * y;
            EXIT WHEN part = previous;
        END LOOP;
        z := m * (part / 3);
    END LOOP;
    IF empty = m THEN
        RETURN 0;
    END IF;
    z := z / 2.0::double precision ^ (above - 1);
    x := empty / m;
    y := 1;
    part := x;
    LOOP
        x := x * x;
        previous := part;
        part := part + x * y;
        y := y + y;
        EXIT WHEN part = previous;
    END LOOP;
    RETURN m * m / (2 * ln(2::double precision) * (z + m * part));
END $$;

CREATE FUNCTION distinct_merged_count(held bytea) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT distinct_count(distinct_merged(held))';

COMMENT ON FUNCTION distinct_merged_count IS 'How many distinct strings a state has seen, estimated.';

CREATE OR REPLACE AGGREGATE distinct_merge(bytea) (
    SFUNC = distinct_append, STYPE = bytea, INITCOND = '\x00', COMBINEFUNC = distinct_combine, FINALFUNC = distinct_merged,
    PARALLEL = SAFE
);

CREATE OR REPLACE AGGREGATE uniques(bytea) (
    SFUNC = distinct_append, STYPE = bytea, INITCOND = '\x00', COMBINEFUNC = distinct_combine,
    FINALFUNC = distinct_merged_count, PARALLEL = SAFE
);
