"""Law of the rows: they are functions of the set of points, in whatever order and batches these came."""

from collections import defaultdict
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.domain.cells import NEVER_MS
from services.aggregator.service import Arrival, PartitionFold
from shared.model import distinct, sketch
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.window import TIERS_MS, start_of
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import restarted

T0 = 1_732_252_800_000
OF_THE_ORDER = {"revision", "late_count", "watermark_ms"}
"""Columns that say how the rows came about."""


def drawn(seed: int, rows: int, series: int, span_ms: int) -> Points:
    """Points over a span: sums of dyadic values and weights are exact; many share an instant."""
    random = np.random.default_rng(seed)
    value = np.where(random.random(rows) < 0.1, 0.0, random.integers(-(1 << 20), 1 << 20, rows) / 64)
    hashes = random.integers(1, 1 << 63, rows, np.uint64) * np.uint64(2)
    return Points(
        random.integers(0, series, rows).astype(np.uint16),
        T0 + random.integers(0, span_ms // 500, rows) * 500,
        value,
        random.choice([1.0, 1.0, 1.0, 8.0, 0.25, -1.0, 0.0], rows),
        distinct=np.where(random.random(rows) < 0.3, hashes, np.uint64(0)),
    )


def tables_of(points: Points, series: list[bytes], seed: int, largest: int) -> dict[int, Rollups]:
    """The rows of all tiers when the points come in an order, batches, repeats and commits of this seed."""
    random = np.random.default_rng(seed)
    rows = len(points)
    # From nearly in order to none at all.
    order = np.argsort(points.ts_ms + random.normal(0, random.choice([1e3, 1e5, 1e9]), rows))
    ends = np.cumsum(random.integers(1, largest + 1, rows))
    fold, tables = PartitionFold(bytes, len), MemoryTables(series, revised_rows=largest)
    now_ms = int(points.ts_ms.max())
    batches = np.split(order, ends[ends < rows])
    for seq, batch in enumerate(batches):
        for _ in range(int(random.integers(1, 3))):
            fold.fold(Arrival("gateway", seq, now_ms, series), points.rows(batch))
        if random.random() < 8 / len(batches):
            work = fold.checkpoint()
            tables.write(work)
            fold = restarted(fold, work, tables) if random.random() < 0.5 else fold
    nothing = points.rows(np.zeros(0, np.int64))
    fold.fold(Arrival("gateway", rows, now_ms + 2 * TIERS_MS[-1], []), nothing)
    tables.write(fold.checkpoint())
    return tables.rows


def columns(tables: dict[int, Rollups]) -> dict[tuple[int, str], bytes]:
    """The columns that the set of points decides."""
    return {
        (tier, column.name): getattr(rows, column.name).tobytes()
        for tier, rows in tables.items()
        for column in fields(Rollups)
        if column.name not in OF_THE_ORDER
    }


class Expected:
    """One row, summed up point by point."""

    def __init__(self) -> None:
        self.count = self.sum = self.last = 0.0
        self.low, self.high, self.last_ms = np.inf, -np.inf, NEVER_MS
        self.estimated = False
        self.sketch: defaultdict[int, float] = defaultdict(float)
        self.registers: dict[int, int] = {}

    def add(self, point: tuple[int, float, float, int], entry: tuple[int, int] | None) -> None:
        """One point: its event time, value, weight and bucket, and the register and rank of its string."""
        ts_ms, value, weight, bucket = point
        self.count += weight
        self.sum += value * weight
        self.sketch[bucket] += weight
        self.estimated = self.estimated or weight < 0
        if weight > 0:
            self.low, self.high = min(self.low, value), max(self.high, value)
            self.last_ms, self.last = max((self.last_ms, self.last), (ts_ms, value))
        if entry:
            self.registers[entry[0]] = max(entry[1], self.registers.get(entry[0], 0))

    def row(self) -> tuple[object, ...]:
        """What is to be found in the tables."""
        buckets = sorted((bucket, weight) for bucket, weight in self.sketch.items() if weight)
        held = [bucket for bucket, weight in buckets if weight > 0]
        low, high = (self.low, self.high) if not self.estimated else bounds(held)
        return (
            self.count, self.sum, low, high, self.last, self.last_ms, self.estimated, buckets,
            sorted(self.registers.items()),
        )  # fmt: skip


def bounds(buckets: list[int]) -> tuple[float, float]:
    """Between what the values of these buckets lie."""
    if not buckets:
        return np.inf, -np.inf
    middles = sketch.values_of(np.array([buckets[0], buckets[-1]], np.int16)).tolist()
    low = middles[0] / (1 + sketch.ACCURACY if middles[0] > 0 else 1 - sketch.ACCURACY)
    high = middles[1] / (1 - sketch.ACCURACY if middles[1] > 0 else 1 + sketch.ACCURACY)
    return low, high


def oracle(points: Points) -> dict[tuple[int, int, int], Expected]:
    """Every row by resolution, start and slot."""
    assert points.weight is not None
    assert points.distinct is not None
    registers, ranks = distinct.entries_of(points.distinct)
    entries = [
        (register, rank) if hashed else None
        for register, rank, hashed in zip(
            registers.tolist(), ranks.tolist(), points.distinct.tolist(), strict=True
        )
    ]
    rest = (points.ts_ms, points.value, points.weight, sketch.buckets_of(points.value))
    found: defaultdict[tuple[int, int, int], Expected] = defaultdict(Expected)
    each = zip(*(column.tolist() for column in rest), strict=True)
    for slot, entry, point in zip(points.slot.tolist(), entries, each, strict=True):
        for tier in TIERS_MS:
            found[tier, start_of(point[0], tier), slot].add(point, entry)
    return found


def rows_of(tables: dict[int, Rollups]) -> dict[tuple[int, int, int], tuple[object, ...]]:
    """The rows of the tables in the form of `Expected.row`."""
    found = {}
    for tier, rows in tables.items():
        scalars = (rows.count, rows.sum, rows.min, rows.max, rows.last, rows.last_ms, rows.estimated)
        for i, row in enumerate(zip(*(column.tolist() for column in scalars), strict=True)):
            weights = slice(rows.sketch_at[i], rows.sketch_at[i + 1])
            strings = slice(rows.distinct_at[i], rows.distinct_at[i + 1])
            found[tier, int(rows.start_ms[i]), int(rows.slot[i])] = (
                *row,
                list(zip(rows.bucket[weights].tolist(), rows.weight[weights].tolist(), strict=True)),
                list(zip(rows.register[strings].tolist(), rows.rank[strings].tolist(), strict=True)),
            )
    return found


def close_to(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row whose bounds need not be equal to the last bit."""
    return tuple(pytest.approx(value, rel=1e-12) if i in {2, 3} else value for i, value in enumerate(row))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(1, 60))
def test_rows_do_not_depend_on_the_order(seed: int, other: int, rows: int) -> None:
    """Two orders of a few points, batched, repeated and committed in other ways, give the same bytes."""
    points, series = drawn(seed, rows, 2, 40 * 60_000), [b"\x01", b"\x02"]

    found = tables_of(points, series, seed, largest=5)

    assert columns(found) == columns(tables_of(points, series, other, largest=9))
    assert rows_of(found) == {key: close_to(row.row()) for key, row in oracle(points).items()}


def test_rows_of_many_points_are_those_of_a_plain_count() -> None:
    """200,000 points in six orders, late ones, retractions and repeats among them, give the same bytes."""
    series = [bytes([place]) for place in range(64)]
    points = drawn(5, 200_000, len(series), 45 * 60_000)

    found = [
        tables_of(points, series, seed, largest)
        for seed, largest in enumerate((400, 1_000, 2_000, 4_000, 10_000, 60_000))
    ]

    assert all(columns(found[0]) == columns(other) for other in found[1:])
    expected = oracle(points)
    assert rows_of(found[0]) == {key: close_to(row.row()) for key, row in expected.items()}
