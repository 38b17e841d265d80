"""Sketches in SQL: what an analyst computes equals what the services compute."""

from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.model import distinct, sketch
from shared.wire.stored import distinct as wire

pytestmark = pytest.mark.servers

ROWS = 120
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
    """The bucket is the same, and its value to the last few bits of an exponential."""
    parts = drawn(seed)
    await connection.copy_records_to_table(
        "held", records=[(n, b.tolist(), w.tolist(), None) for n, (b, w) in enumerate(parts)]
    )

    found = await connection.fetch(
        "SELECT n % 5 AS part, ARRAY(SELECT sketch_quantile(sketch_merge(sketch_of(bucket, weight)), q) "
        "FROM unnest($1::float8[]) AS q) AS quantiles FROM held GROUP BY n % 5 ORDER BY 1",
        QUANTILES,
    )

    for group, quantiles in found:
        own = joined(parts[group::5])
        assert [sketch.quantile(*own, q) for q in QUANTILES] == pytest.approx(quantiles, rel=1e-14)


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
    found = await connection.fetchval("SELECT sketch_quantile(sketch_of($1, $2), 0.5)", bucket, weight)

    assert found is None
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
