-- What analysts ask of sketches: quantiles and distinct counts over any range and grouping, as docs/QUERIES.md shows.
-- The arithmetic is that of shared/model/sketch.py and shared/model/distinct.py, step by step.

CREATE TYPE sketch AS (bucket smallint[], weight double precision[]);

COMMENT ON TYPE sketch IS 'A quantile sketch: buckets, ascending, and their weights.';

CREATE FUNCTION sketch_of(bucket smallint[], weight double precision[]) RETURNS sketch
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ROW(bucket, weight)::sketch';

COMMENT ON FUNCTION sketch_of IS 'The sketch of a row: sketch_of(sketch_bucket, sketch_weight).';

CREATE FUNCTION sketch_value(bucket smallint) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT sign(bucket::double precision)
        * (exp((abs(bucket::double precision) - 12000) / (1 / ln(1.01::double precision / 0.99)))
           * (2 / (1 + 1.01::double precision / 0.99)))
$$;

COMMENT ON FUNCTION sketch_value IS 'Value that stands for a bucket: within 1 % of all values in it.';

CREATE FUNCTION sketch_merge_all(sketches sketch[]) RETURNS sketch
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(coalesce(array_agg(bucket ORDER BY bucket), '{}'), coalesce(array_agg(weight ORDER BY bucket), '{}'))::sketch
    FROM (
        SELECT bucket, sum(weight) AS weight
        FROM unnest(sketches) AS one(buckets, weights), unnest(buckets, weights) AS entry(bucket, weight)
        GROUP BY bucket
    ) AS merged
$$;

COMMENT ON FUNCTION sketch_merge_all IS 'One sketch that holds what all hold.';

CREATE AGGREGATE sketch_merge(sketch) (
    SFUNC = array_append, STYPE = sketch[], INITCOND = '{}', COMBINEFUNC = array_cat, FINALFUNC = sketch_merge_all,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE sketch_merge(sketch) IS 'One sketch that holds what all hold: quantiles of it are within 1 %.';

CREATE FUNCTION sketch_quantile(asked sketch, q double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF NOT q BETWEEN 0 AND 1 THEN
        RAISE EXCEPTION 'q: must be from 0 to 1, is %', q USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN (
        WITH held AS (
            SELECT bucket, sum(weight) OVER (ORDER BY bucket) AS reached
            FROM unnest((asked).bucket, (asked).weight) AS entry(bucket, weight) WHERE weight > 0
        )
        SELECT sketch_value(min(bucket)) FROM held
        WHERE reached > q * greatest((SELECT max(reached) FROM held) - 1, 0)
    );
END $$;

COMMENT ON FUNCTION sketch_quantile IS
    'Quantile q (0 to 1) of a sketch, within 1 %; null when it holds nothing. Of many rows: merge their sketches first.';

CREATE FUNCTION distinct_registers(counts bytea[]) RETURNS TABLE (register integer, rank integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT register, max(rank) AS rank
    FROM unnest(counts) AS one,
        -- Unpacked once here, not at each get_byte.
        LATERAL (SELECT one || ''::bytea AS plain OFFSET 0) AS held,
        LATERAL (
            SELECT get_byte(plain, 3 * at) * 256 + get_byte(plain, 3 * at + 1) AS register,
                   get_byte(plain, 3 * at + 2) AS rank
            FROM generate_series(0, length(plain) / 3 - 1) AS at WHERE length(plain) < 4096
            UNION ALL
            SELECT at, get_byte(plain, at) FROM generate_series(0, 4095) AS at WHERE length(plain) = 4096
        ) AS entry
    WHERE rank > 0 GROUP BY register
$$;

COMMENT ON FUNCTION distinct_registers IS 'Registers in use of the merge of distinct counts, with their ranks.';

CREATE FUNCTION distinct_merge_all(counts bytea[]) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    WITH held AS MATERIALIZED (SELECT register, substring(int2send(rank::smallint) FROM 2) AS rank FROM distinct_registers(counts))
    SELECT CASE WHEN 3 * count(*) < 4096
        THEN coalesce(string_agg(int2send(register::smallint) || rank, ''::bytea ORDER BY register), '')
        ELSE (
            SELECT string_agg(coalesce(rank, '\x00'), ''::bytea ORDER BY at)
            FROM generate_series(0, 4095) AS at LEFT JOIN held ON register = at
        ) END
    FROM held
$$;

COMMENT ON FUNCTION distinct_merge_all IS 'One distinct count that has seen what all have seen.';

CREATE FUNCTION distinct_count_all(counts bytea[]) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    -- Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6.
    m        constant double precision := 4096;
    ranks    double precision[];
    empty    double precision;
    z        double precision := 0;
    x        double precision;
    y        double precision;
    part     double precision;
    previous double precision;
BEGIN
    SELECT array_agg(coalesce(seen, 0) ORDER BY at) INTO ranks
    FROM generate_series(1, 53) AS at
        LEFT JOIN (SELECT rank, count(*) AS seen FROM distinct_registers(counts) GROUP BY rank) AS held ON rank = at;
    empty := m - (SELECT sum(seen) FROM unnest(ranks) AS seen);
    IF empty = m THEN
        RETURN 0;
    END IF;
    x := 1 - ranks[53] / m;
    IF x > 0 AND x < 1 THEN
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
    END IF;
    FOR at IN REVERSE 52..1 LOOP
        z := 0.5 * (z + ranks[at]);
    END LOOP;
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

COMMENT ON FUNCTION distinct_count_all IS 'How many distinct strings all have seen together, estimated.';

CREATE FUNCTION distinct_count(seen bytea) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT distinct_count_all(ARRAY[seen])';

COMMENT ON FUNCTION distinct_count IS 'How many distinct strings came, estimated: a standard error is 1.6 %.';

CREATE AGGREGATE distinct_merge(bytea) (
    SFUNC = array_append, STYPE = bytea[], INITCOND = '{}', COMBINEFUNC = array_cat, FINALFUNC = distinct_merge_all,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE distinct_merge(bytea) IS 'One distinct count that has seen what all have seen.';

CREATE AGGREGATE uniques(bytea) (
    SFUNC = array_append, STYPE = bytea[], INITCOND = '{}', COMBINEFUNC = array_cat, FINALFUNC = distinct_count_all,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE uniques(bytea) IS 'How many distinct strings all have seen together: distinct_count(distinct_merge(…)).';
