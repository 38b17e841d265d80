"""Quantiles of exported sketches in polars: the same to the last digits as those of our Postgres and `POST /v1/query`.

Rows are those of an export of windows with `sketch`. Copy this file beside a notebook; it stands alone.
"""

import math

import polars as pl

PER_LOG = 1 / math.log(1.01 / 0.99)
"""Buckets are logarithms to this base: 1 % wide on either side."""


def sketch_quantile(rows: pl.DataFrame, q: float, by: list[str]) -> pl.DataFrame:
    """The quantile `q` (0 to 1) of each group by some columns: sketches are merged, and it lies within min and max."""
    weight, bucket, step, since = (pl.col(name) for name in ("weight", "bucket", "step", "since"))
    low, high = pl.col("low"), pl.col("high")
    ends = rows.group_by(by).agg(low=pl.col("min").min(), high=pl.col("max").max())
    ranks = _ranked(rows, by).join(ends, on=by, nulls_equal=True)
    ranks = ranks.with_columns(since=q * (pl.col("total") - step))
    touched = ranks.filter((pl.col("reached") + weight > since) & (pl.col("reached") < since + step))
    # The first step has the smallest value, the last one the largest.
    one = pl.min_horizontal(
        step, weight * pl.when(pl.col("first") == pl.col("last")).then(0.5).otherwise(1.0)
    )
    after = pl.col("total") - step - since
    at_first = pl.when((bucket == pl.col("first")) & _holds(low)).then((one - since).clip(0)).otherwise(0)
    at_last = pl.when((bucket == pl.col("last")) & _holds(high)).then((one - after).clip(0)).otherwise(0)
    share = pl.min_horizontal(pl.col("reached") + weight, since + step) - pl.max_horizontal("reached", since)
    middle = (bucket.sign() * _size(2 / (1 + 1.01 / 0.99))).clip(low, high)
    total = at_first * low + at_last * high + (share - at_first - at_last) * middle
    return touched.group_by(by).agg(quantile=(total.sum() / share.sum()).clip(low.first(), high.first()))


def _ranked(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """One row for each bucket of a group, with the ranks that it reaches."""
    some = rows.select(*by, "bucket", "weight").filter(pl.col("bucket").list.len() > 0)
    entries = some.explode("bucket", "weight", empty_as_null=False).cast({"bucket": pl.Float64})
    merged = entries.group_by(*by, "bucket").agg(pl.col("weight").sum()).filter(pl.col("weight") > 0)
    ranked = merged.sort("bucket").with_columns(
        reached=pl.col("weight").cum_sum().over(by) - pl.col("weight"),
        total=pl.col("weight").sum().over(by),
        entries=pl.len().over(by),
        first=pl.col("bucket").min().over(by),
        last=pl.col("bucket").max().over(by),
    )
    step = pl.min_horizontal(1.0, pl.col("total") / pl.col("entries"))
    return ranked.with_columns(step=pl.max_horizontal(step, pl.col("total") * 1e-12))


def _size(edge: float) -> pl.Expr:
    """The magnitude of a bucket's outer edge, times this."""
    return ((pl.col("bucket").abs() - 12_000) / PER_LOG).exp() * edge


def _holds(bound: pl.Expr) -> pl.Expr:
    """Whether a bound of the values lies inside a bucket, not at an edge."""
    inside = (bound.abs() < _size(1 - 1e-9)) & (bound.abs() > _size((1 + 1e-9) * 0.99 / 1.01))
    return (pl.col("bucket").sign() == bound.sign()) & inside
