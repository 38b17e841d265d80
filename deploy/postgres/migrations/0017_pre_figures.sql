-- migration: schema=2
-- Figures that agree with themselves: quantiles as `percentile_cont` gives them, interpolated between neighbouring ranks
-- and within the row's min and max (the arithmetic is that of shared/model/sketch.py, step by step); how many points came,
-- whatever their weights; and rows of 10 s that say when they are no longer kept up.

CREATE FUNCTION sketch_holds(bucket smallint, value double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sign(bucket::double precision) = sign(value) AND abs(value) < edge * (1 - 1e-9::double precision)
        AND abs(value) > edge * ((1 + 1e-9::double precision) / (1.01::double precision / 0.99))
    FROM (SELECT exp((abs(bucket::double precision) - 12000) / (1 / ln(1.01::double precision / 0.99))) AS edge) AS outer_edge
$$;

COMMENT ON FUNCTION sketch_holds IS 'Whether a value lies inside a bucket, not at an edge, where bounds of extremes lie.';

CREATE FUNCTION sketch_quantile(
    asked sketch, q double precision, lowest double precision, highest double precision
) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT q BETWEEN 0 AND 1 THEN
        RAISE EXCEPTION 'q: must be from 0 to 1, is %', q USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The mean of the values at the ranks from `since` on, over one step; a step is one value of weight 1.
    RETURN (
        WITH entry AS MATERIALIZED (
            SELECT bucket, weight, coalesce(
                sum(weight) OVER (ORDER BY bucket ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS reached
            FROM unnest((asked).bucket, (asked).weight) AS given(bucket, weight) WHERE weight > 0
        ), summed AS (
            SELECT max(reached + weight) AS total, count(*) AS buckets, min(bucket) AS first, max(bucket) AS last FROM entry
        ), span AS MATERIALIZED (
            SELECT total, first, last, step, q * (total - step) AS since, CASE WHEN first = last THEN 0.5::double precision ELSE 1 END AS alone
            FROM summed, LATERAL (SELECT greatest(least(1, total / buckets), total * 1e-12) AS step) AS stepped
        ), touched AS (
            SELECT bucket, least(reached + weight, since + step) - greatest(reached, since) AS share,
                   least(greatest(sketch_value(bucket), lowest), highest) AS value,
                   -- The first step has the smallest value, the last one the largest.
                   CASE WHEN bucket = first AND sketch_holds(bucket, lowest)
                       THEN greatest(least(step, weight * alone) - since, 0) ELSE 0 END AS at_first,
                   CASE WHEN bucket = last AND sketch_holds(bucket, highest)
                       THEN greatest(least(step, weight * alone) - (total - step - since), 0) ELSE 0 END AS at_last
            FROM entry, span WHERE reached + weight > since AND reached < since + step
        )
        SELECT least(greatest(
            sum(at_first * coalesce(lowest, 0) + at_last * coalesce(highest, 0) + (share - at_first - at_last) * value)
            / sum(share), lowest), highest)
        FROM touched HAVING count(*) > 0
    );
END $$;

COMMENT ON FUNCTION sketch_quantile(sketch, double precision, double precision, double precision) IS
    'Quantile q (0 to 1) of a sketch whose values lie from lowest to highest, as percentile_cont gives it, within 1 %; null when it holds nothing. Of many rows: merge their sketches, and give min(min) and max(max).';

CREATE OR REPLACE FUNCTION sketch_quantile(asked sketch, q double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT sketch_quantile(asked, q, NULL, NULL)';

COMMENT ON FUNCTION sketch_quantile(sketch, double precision) IS
    'The same where the extremes are not known: it may lie 1 % beyond them.';

ALTER TABLE rollup_10s ADD COLUMN samples bigint, ADD COLUMN kept_up boolean NOT NULL DEFAULT true;
ALTER TABLE rollup_1m ADD COLUMN samples bigint;
ALTER TABLE rollup_15m ADD COLUMN samples bigint;

COMMENT ON COLUMN rollup_10s.samples IS
    'Points that came, whatever their weights, less those that took something back; null: written in version 4, which does not count them.';
COMMENT ON COLUMN rollup_10s.kept_up IS
    'False: points came more than 6 hours late, and the coarser tiers alone have got them.';
