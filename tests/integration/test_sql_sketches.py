"""Sketches in SQL: what an analyst computes equals what the services compute, and what Postgres itself does."""

import os
from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from shared.model import distinct, sketch
from shared.wire.stored import distinct as wire

pytestmark = pytest.mark.servers

ROWS = 120
CASES = int(os.environ.get("TIDEGAUGE_CASES", "2000"))
SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)


@pytest_asyncio.fixture
async def connection(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection with a table of rows that are sketches."""
    conn = await asyncpg.connect(stack.postgres)
    await conn.execute("CREATE TEMP TABLE held (n int, bucket smallint[], weight float8[], seen bytea)")
    yield conn
    await conn.close()


def drawn(seed: int) -> list[tuple[sketch.Buckets, sketch.Weights]]:
    """Sketches of all signs and sizes; dyadic weights, some taken back, some emptied by it."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(ROWS):
        size = int(chance.integers(0, 80))
        values = chance.lognormal(0, 3, size) * chance.choice([-1, 0, 1], size, p=[0.2, 0.1, 0.7])
        weights = chance.integers(-20, 100, size) / 8
        found.append(sketch.merge(sketch.buckets_of(values), weights))
    return found


def joined(parts: list[tuple[sketch.Buckets, sketch.Weights]]) -> tuple[sketch.Buckets, sketch.Weights]:
    """The merge of sketches."""
    return sketch.merge(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@pytest.mark.parametrize("seed", range(4))
async def test_quantiles_of_any_grouping_equal_those_of_the_services(
    connection: "asyncpg.Connection[asyncpg.Record]", seed: int
) -> None:
    """To the last few bits of an exponential, without extremes and with them."""
    parts = drawn(seed)
    await connection.copy_records_to_table(
        "held", records=[(n, b.tolist(), w.tolist(), None) for n, (b, w) in enumerate(parts)]
    )

    found = await connection.fetch(
        "SELECT n % 5 AS part, ARRAY(SELECT sketch_quantile(sketch_merge(sketch_of(bucket, weight)), q) "
        "FROM unnest($1::float8[]) AS q) AS open, ARRAY(SELECT sketch_quantile("
        "sketch_merge(sketch_of(bucket, weight)), q, -2.5, 40) FROM unnest($1::float8[]) AS q) AS bounded "
        "FROM held GROUP BY n % 5 ORDER BY 1",
        QUANTILES,
    )

    for group, unbounded, bounded in found:
        own = joined(parts[group::5])
        assert [sketch.quantile(*own, q) for q in QUANTILES] == pytest.approx(unbounded, rel=1e-9)
        assert [sketch.quantile(*own, q, -2.5, 40.0) for q in QUANTILES] == pytest.approx(bounded, rel=1e-9)


@pytest.mark.parametrize("share", [0, 1, 2, 3])
async def test_quantiles_are_those_of_percentile_cont(
    connection: "asyncpg.Connection[asyncpg.Record]", share: int
) -> None:
    """Within one percent of the magnitudes beside it, of two values as of a hundred; equal where all are equal."""
    chance = np.random.default_rng((SEED, share))
    cases = [_values(chance) for _ in range(CASES // len(QUANTILES) // 4 + 1)]
    sketches = [sketch.merge(sketch.buckets_of(values), np.ones(len(values))) for values in cases]
    await connection.copy_records_to_table(
        "held", records=[(n, b.tolist(), w.tolist(), None) for n, (b, w) in enumerate(sketches)]
    )
    await connection.execute("CREATE TEMP TABLE value (n int, value float8)")
    await connection.copy_records_to_table(
        "value", records=[(n, value) for n, values in enumerate(cases) for value in values.tolist()]
    )

    found = await connection.fetch(
        "SELECT exact, ARRAY(SELECT sketch_quantile(sketch_of(bucket, weight), q, low, high) "
        "FROM unnest($1::float8[]) AS q) AS found FROM held JOIN (SELECT n, min(value) AS low, max(value) AS high, "
        "percentile_cont($1::float8[]) WITHIN GROUP (ORDER BY value) AS exact FROM value GROUP BY n) AS cont USING (n) "
        "ORDER BY n",
        QUANTILES,
    )

    for values, (exact, quantiles) in zip(cases, found, strict=True):
        off = np.abs(np.array(quantiles) - exact)
        assert (off <= sketch.ACCURACY * _sizes(values) + 1e-9).all(), values
        assert min(values) <= min(quantiles) <= max(quantiles) <= max(values)


def _sizes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The larger magnitude beside each quantile."""
    ordered = np.abs(np.sort(values))
    places = [q * (len(values) - 1) for q in QUANTILES]
    return np.array([max(ordered[int(at)], ordered[min(int(at) + 1, len(ordered) - 1)]) for at in places])


def _values(chance: np.random.Generator) -> NDArray[np.float64]:
    """Few values or many, of one sign or of all."""
    size = int(chance.choice([1, 2, 3, 4, 8, 100]))
    signs = chance.choice([-1.0, 0.0, 1.0], size, p=chance.choice([(0, 0, 1), (1, 0, 0), (0.3, 0.2, 0.5)]))
    return np.asarray(np.round(chance.lognormal(1, 1, size), int(chance.integers(0, 4))) * signs)


async def test_a_merge_of_rows_with_equal_values_has_that_value(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """As QUERIES.md asks: with the extremes of all. Sources: DataDog/sketches-go#83, apache/druid#4744."""
    bucket, weight = sketch.merge(sketch.buckets_of(np.array([250.0])), np.array([10.0]))
    await connection.copy_records_to_table(
        "held", records=[(n, bucket.tolist(), weight.tolist(), None) for n in range(3)]
    )

    found = await connection.fetchval(
        "SELECT sketch_quantile(sketch_merge(sketch_of(bucket, weight)), 0.95, min(250.0), max(250.0)) FROM held"
    )

    assert found == 250.0


async def test_a_merge_equals_that_of_the_services(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Buckets and weights alike, also when merges are merged."""
    parts = drawn(9)
    await connection.copy_records_to_table(
        "held", records=[(n, b.tolist(), w.tolist(), None) for n, (b, w) in enumerate(parts)]
    )
    once = "SELECT (sketch_merge(sketch_of(bucket, weight))).* FROM held"
    twice = (
        "SELECT (sketch_merge(part)).* FROM "
        "(SELECT sketch_merge(sketch_of(bucket, weight)) AS part FROM held GROUP BY n % 7) AS parts"
    )

    own = [column.tolist() for column in joined(parts)]
    assert own == [*await connection.fetchrow(once)] == [*await connection.fetchrow(twice)]


@pytest.mark.parametrize(("bucket", "weight"), [([], []), ([5], [0.0]), ([5], [-1.0])])
async def test_a_sketch_of_nothing_has_no_quantile(
    connection: "asyncpg.Connection[asyncpg.Record]", bucket: list[int], weight: list[float]
) -> None:
    """Null, as the services say None."""
    found = await connection.fetchrow(
        "SELECT sketch_quantile(sketch_of($1, $2), 0.5), sketch_quantile(sketch_of($1, $2), 0.5, 1, 2)",
        bucket,
        weight,
    )

    assert (None, None) == tuple(found or ())
    assert sketch.quantile(np.array(bucket, np.int16), np.array(weight), 0.5) is None


@pytest.mark.parametrize("q", [-0.01, 1.01, float("nan")])
async def test_a_quantile_that_is_none_is_refused(
    connection: "asyncpg.Connection[asyncpg.Record]", q: float
) -> None:
    """Percents are a common slip: the message says what is wanted."""
    with pytest.raises(asyncpg.InvalidParameterValueError, match="q: must be from 0 to 1"):
        await connection.fetchval("SELECT sketch_quantile(sketch_of('{5}', '{1}'), $1)", q)


@pytest.mark.parametrize("seed", range(4))
async def test_uniques_of_any_grouping_equal_those_of_the_services(
    connection: "asyncpg.Connection[asyncpg.Record]", seed: int
) -> None:
    """To the last bit, sparse and dense, rows without strings passed over."""
    chance = np.random.default_rng(seed)
    sizes = (10 ** chance.uniform(0, 4.5, ROWS)).astype(int)
    counts = [
        distinct.merge(*distinct.entries_of(chance.integers(1, 2**63, size, np.uint64) * np.uint64(2)))
        for size in sizes
    ]
    await connection.copy_records_to_table(
        "held",
        records=[(n, [], [], wire.encode(*count) if n % 11 else None) for n, count in enumerate(counts)],
    )

    found = await connection.fetch(
        "SELECT n % 5 AS part, uniques(seen) AS uniques, distinct_merge(seen) AS merged, "
        "distinct_count(distinct_merge(seen)) AS again FROM held GROUP BY n % 5 ORDER BY 1"
    )

    for group, uniques, merged, again in found:
        own = [count for n, count in enumerate(counts) if n % 5 == group and n % 11]
        whole = distinct.merge(*(np.concatenate(column) for column in zip(*own, strict=True)))
        assert (wire.encode(*whole), distinct.estimate(whole[1])) == (merged, uniques)
        assert uniques == again


async def test_uniques_of_nothing_are_zero(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """No rows, or none with strings."""
    assert await connection.fetchval("SELECT uniques(seen) FROM held") == 0.0
    assert await connection.fetchval("SELECT uniques(seen) FROM (VALUES (NULL::bytea)) AS rows(seen)") == 0.0


@pytest.mark.parametrize("buckets", [10, 1500, 5000])
async def test_a_merge_holds_distinct_buckets_and_not_its_rows(
    connection: "asyncpg.Connection[asyncpg.Record]", buckets: int
) -> None:
    """After each of many rows: twice the distinct buckets at most, or 3,000, and the row that came last."""
    await connection.execute(
        "CREATE AGGREGATE pg_temp.state_of(sketch) "
        "(SFUNC = sketch_append, STYPE = sketch_state, INITCOND = '({},{},0)')"
    )
    rows = (
        "SELECT sketch_of(ARRAY[n * 37 % $1, n * 91 % $1]::smallint[], '{1, 1}') AS one, n "
        "FROM generate_series(1, $2::bigint) AS n"
    )
    largest = await connection.fetchval(
        "SELECT max(cardinality((state).bucket)) FROM "
        f"(SELECT pg_temp.state_of(one) OVER (ORDER BY n) AS state FROM ({rows}) AS rows) AS states",
        buckets,
        5_000,
    )
    last, distinct_buckets, total = await connection.fetchrow(
        f"SELECT cardinality((pg_temp.state_of(one)).bucket), cardinality((sketch_merge(one)).bucket), "
        f"(SELECT sum(weight) FROM unnest((sketch_merge(one)).weight) AS weight) FROM ({rows}) AS rows",
        buckets,
        100_000,
    )

    most = max(3000, 2 * distinct_buckets) + 2
    assert (True, True, 200_000) == (largest <= most, last <= most, total)


@pytest.mark.parametrize("strings", [3, 300, 30_000])
async def test_a_merge_of_distinct_counts_holds_no_more_than_eight(
    connection: "asyncpg.Connection[asyncpg.Record]", strings: int
) -> None:
    """After each of its rows: eight counts of 4,096 ranks, or as many bytes of sparse ones."""
    chance = np.random.default_rng(strings)
    counts = [
        distinct.merge(*distinct.entries_of(chance.integers(1, 2**63, strings, np.uint64) * np.uint64(2)))
        for _ in range(300)
    ]
    await connection.copy_records_to_table(
        "held", records=[(n, [], [], wire.encode(*count)) for n, count in enumerate(counts)]
    )
    await connection.execute(
        "CREATE AGGREGATE pg_temp.state_of(bytea) (SFUNC = distinct_append, STYPE = bytea, INITCOND = '\\x00')"
    )

    largest, size = await connection.fetchrow(
        "SELECT max(length(state)), max(size) FROM (SELECT length(seen) AS size, pg_temp.state_of(seen) OVER (ORDER BY "
        "g, n) AS state FROM held, generate_series(1, 10) AS g) AS states"
    )

    assert largest <= 1 + 7 * 4096 + size


async def test_uniques_know_the_highest_ranks(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Of 53, which one string in 2^52 has, and of ranks that lie far apart."""
    for ranks in ([53], [53, 53, 1], [1, 30], [52], [53] * 1000 + [1] * 3000):
        seen = wire.encode(np.arange(len(ranks), dtype=np.uint16), np.array(ranks, np.uint8))
        expected = distinct.estimate(np.array(ranks, np.uint8))

        assert expected == await connection.fetchval("SELECT distinct_count($1)", seen)
        assert expected == await connection.fetchval("SELECT uniques($1)", seen)


async def test_processes_that_share_a_merge_come_to_the_same(dsn: str) -> None:
    """Postgres divides the rows among workers: their states are combined, each bucket and register once."""
    await migrate(dsn)
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("CREATE TABLE held (n int, bucket smallint[], weight float8[], seen bytea)")
        parts = [part for seed in range(8) for part in drawn(seed)]
        chance = np.random.default_rng(1)
        counts = [
            distinct.merge(
                *distinct.entries_of(chance.integers(1, 2**63, 10 ** (n % 5), np.uint64) * np.uint64(2))
            )
            for n in range(len(parts))
        ]
        await conn.copy_records_to_table(
            "held",
            records=[(n, b.tolist(), w.tolist(), wire.encode(*counts[n])) for n, (b, w) in enumerate(parts)],
        )
        for setting in (
            "parallel_setup_cost = 0",
            "parallel_tuple_cost = 0",
            "min_parallel_table_scan_size = 0",
        ):
            await conn.execute(f"SET {setting}")
        question = (
            "SELECT (sketch_merge(sketch_of(bucket, weight))).*, distinct_merge(seen) AS seen FROM held"
        )
        plan = "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {question}"))
        bucket, weight, seen = await conn.fetchrow(question)
    finally:
        await conn.close()

    whole = distinct.merge(*(np.concatenate(column) for column in zip(*counts, strict=True)))
    assert "Partial Aggregate" in plan
    assert [column.tolist() for column in joined(parts)] == [bucket, weight]
    assert wire.encode(*whole) == seen
