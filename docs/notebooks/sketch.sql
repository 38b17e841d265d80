-- DuckDB macros for exports with `sketch`: quantiles of merged sketches, the same to the last digits as `sketch_quantile` of
-- our Postgres and as `POST /v1/query`. Of many rows: sketch_quantile(flatten(list(bucket)), flatten(list(weight)), 0.95,
-- min(min), max(max)) GROUP BY whatever you like.

CREATE OR REPLACE MACRO sketch_value(bucket) AS
    sign(bucket) * exp((abs(bucket) - 12000) * ln(1.01 / 0.99)) * (2 / (1 + 1.01 / 0.99));

CREATE OR REPLACE MACRO sketch_edge(bucket) AS exp((abs(bucket) - 12000) * ln(1.01 / 0.99));

CREATE OR REPLACE MACRO sketch_holds(bucket, value) AS
    sign(bucket) = sign(value) AND abs(value) < sketch_edge(bucket) * (1 - 1e-9)
    AND abs(value) > sketch_edge(bucket) * (1 + 1e-9) / (1.01 / 0.99);

CREATE OR REPLACE MACRO sketch_quantile(buckets, weights, q, low, high) AS (
    WITH entry AS (
        SELECT bucket::DOUBLE AS bucket, sum(weight) AS weight
        FROM (SELECT unnest(buckets) AS bucket, unnest(weights) AS weight)
        GROUP BY bucket HAVING sum(weight) > 0
    ), ranked AS (
        SELECT bucket, weight, sum(weight) OVER (ORDER BY bucket) - weight AS reached,
               sum(weight) OVER () AS total, count(*) OVER () AS entries,
               min(bucket) OVER () AS first, max(bucket) OVER () AS last
        FROM entry
    ), spread AS (
        SELECT *, greatest(least(1, total / entries), total * 1e-12) AS step, if(first = last, 0.5, 1) AS alone
        FROM ranked
    ), placed AS (
        SELECT *, q * (total - step) AS since FROM spread
    ), touched AS (
        SELECT least(reached + weight, since + step) - greatest(reached, since) AS share,
               least(greatest(sketch_value(bucket), low), high) AS value,
               -- The first step has the smallest value, the last one the largest.
               if(bucket = first AND sketch_holds(bucket, low),
                  greatest(least(step, weight * alone) - since, 0), 0) AS at_first,
               if(bucket = last AND sketch_holds(bucket, high),
                  greatest(least(step, weight * alone) - (total - step - since), 0), 0) AS at_last
        FROM placed WHERE reached + weight > since AND reached < since + step
    )
    SELECT least(greatest(
        sum(at_first * low + at_last * high + (share - at_first - at_last) * value) / sum(share), low), high)
    FROM touched
);
