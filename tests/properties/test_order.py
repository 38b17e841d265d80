"""Law of the rows: they are functions of the set of points, in whatever order and batches these came."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.aggregator.domain.totals.increments import HORIZON_MS
from services.aggregator.domain.totals.rules import YOUNG_MS
from services.aggregator.service import Arrival, PartitionFold
from shared.model import distinct, sketch
from shared.model.point import Points
from shared.model.rollup import NEVER_MS, Ints, Rollups
from shared.model.window import DISORDER_MS, TIERS_MS, start_of, starts_of
from shared.wire.envelope import Part
from shared.wire.stored.batch_ids import BATCH_ID_BYTES
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import kind_of, restarted

T0 = 1_732_252_800_000
OF_THE_ORDER = {"revision", "late_count", "watermark_ms"}
"""Columns that say how the rows came about."""

ORDERS = int(os.environ.get("TIDEGAUGE_ORDERS", "4"))
"""Orders of the many points; `make orders` wants 100."""

PARTS = 2
"""Shares of the orders, each a test; each holds the first order as well, so that all are compared."""

LARGEST = (1_000, 60_000, 4_000, 10_000, 400, 2_000)
"""Points of the largest message of an order."""


def drawn(seed: int, rows: int, series: list[bytes], span_ms: int) -> Points:
    """Points over a span: sums of dyadic values and weights are exact; many share an instant.

    Running totals are of the last 15 minutes, so that no order makes them stale.
    """
    random = np.random.default_rng(seed)
    value = np.where(random.random(rows) < 0.1, 0.0, random.integers(-(1 << 20), 1 << 20, rows) / 64)
    hashes = random.integers(1, 1 << 63, rows, np.uint64) * np.uint64(2)
    slot = random.integers(0, len(series), rows)
    ts_ms = T0 + random.integers(0, span_ms // 500, rows) * 500
    weight = random.choice([1.0, 1.0, 1.0, 8.0, 0.25, -1.0, 0.0], rows)
    kinds = np.array([kind_of(packed) for packed in series])[slot]
    total, histogram = kinds != "gauge", kinds == "histogram"
    begun_ms = T0 + span_ms - HORIZON_MS
    ts_ms[total] = begun_ms + random.integers(0, HORIZON_MS // 500, total.sum()) * 500
    starts = random.choice([0, T0, begun_ms, begun_ms + 250_000], rows)
    starts = np.where(starts <= ts_ms, starts, 0)
    running = totals_at(ts_ms, starts, begun_ms)
    value[total] = running[total]
    value[histogram] = random.choice([-1.5, 0.0, 3.0], histogram.sum())
    weight[histogram] = running[histogram]
    return Points(
        slot.astype(np.uint16),
        ts_ms,
        value,
        weight,
        starts,
        np.where(random.random(rows) < 0.3, hashes, np.uint64(0)),
    )


def totals_at(ts_ms: Ints, start_ms: Ints, begun_ms: int) -> NDArray[np.float64]:
    """What a writer with this start says at an instant: it grows, and is reset once under the same start."""
    steps = (ts_ms - begun_ms) // 500
    return np.where(steps < 700 + start_ms % 499, steps * 3 + 8, steps - 600) / 4


def batches_of(points: Points, seed: int, largest: int) -> list[Ints]:
    """The rows of each message, when the points come in an order of this seed: from nearly right to none at all."""
    random = np.random.default_rng(seed)
    rows = len(points)
    order = np.argsort(points.ts_ms + random.normal(0, random.choice([1e3, 1e5, 1e9]), rows))
    ends = np.cumsum(random.integers(1, largest + 1, rows))
    return np.split(order, ends[ends < rows])


def tables_of(points: Points, series: list[bytes], seed: int, largest: int) -> dict[int, Rollups]:
    """The rows of all tiers when messages come again by number and by batch id, with commits and restarts of a seed."""
    random = np.random.default_rng([seed, 1])
    batches = batches_of(points, seed, largest)
    fold, tables = PartitionFold(bytes, len, kind_of), MemoryTables(series, revised_rows=largest)
    now_ms = int(points.ts_ms.max())
    for seq, batch in enumerate(batches):
        named = [Part(seq.to_bytes(BATCH_ID_BYTES, "big"), seq, 0, len(batch))]
        for producer in ("gateway", "gateway", "another")[: int(random.integers(1, 4))]:
            fold.fold(Arrival(producer, seq, now_ms, series, batches=named), points.rows(batch))
        if random.random() < 8 / len(batches):
            work = fold.checkpoint()
            tables.write(work)
            fold = restarted(fold, work, tables) if random.random() < 0.5 else fold
    nothing = points.rows(np.zeros(0, np.int64))
    fold.fold(Arrival("gateway", len(batches), now_ms + 2 * TIERS_MS[-1], []), nothing)
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
        self.count = self.samples = self.sum = self.last = 0.0
        self.low, self.high, self.last_ms = np.inf, -np.inf, NEVER_MS
        self.estimated = False
        self.sketch: defaultdict[int, float] = defaultdict(float)
        self.registers: dict[int, int] = {}

    def come(self, kind: str, point: tuple[int, float, float, int]) -> None:
        """One point: its event time, value, weight and bucket."""
        ts_ms, value, weight, bucket = point
        self.estimated = self.estimated or weight < 0 or kind != "gauge"
        self.samples += float(np.sign(weight)) if kind == "gauge" else 1.0
        if kind == "gauge":
            self.weigh(value, weight, bucket)
            if weight > 0:
                self.low, self.high = min(self.low, value), max(self.high, value)
        if kind == "cumulative" or (kind == "gauge" and weight > 0):
            self.last_ms, self.last = max((self.last_ms, self.last), (ts_ms, value))

    def weigh(self, value: float, weight: float, bucket: int) -> None:
        """Something is counted so often."""
        self.count += weight
        self.sum += value * weight
        self.sketch[bucket] += weight

    def hear(self, register: int, rank: int) -> None:
        """A string is counted once."""
        self.registers[register] = max(rank, self.registers.get(register, 0))

    def row(self) -> tuple[object, ...]:
        """What is to be found in the tables."""
        buckets = sorted((bucket, weight) for bucket, weight in self.sketch.items() if weight)
        filled = [bucket for bucket, weight in buckets if weight > 0]
        low, high = (self.low, self.high) if not self.estimated else bounds(filled)
        return (
            self.count, self.samples, self.sum, low, high, self.last, self.last_ms, self.estimated, buckets,
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


Rows = defaultdict[tuple[int, int, int], Expected]
"""By resolution, start and slot."""


def oracle(points: Points, series: list[bytes]) -> Rows:
    """Every row."""
    assert points.weight is not None
    assert points.distinct is not None
    registers, ranks = distinct.entries_of(points.distinct)
    columns = (
        points.slot, points.distinct != 0, registers, ranks, points.ts_ms, points.value, points.weight,
        sketch.buckets_of(points.value),
    )  # fmt: skip
    found: Rows = defaultdict(Expected)
    for slot, hashed, register, rank, *point in zip(*(column.tolist() for column in columns), strict=True):
        for tier in TIERS_MS:
            row = found[tier, start_of(point[0], tier), slot]
            row.come(kind_of(series[slot]), tuple(point))
            if hashed:
                row.hear(register, rank)
    for (slot, middle), totals in streams_of(points, series).items():
        for ts_ms, grown in increments(totals):
            value, weight = (grown, 1.0) if middle is None else (middle, grown)
            bucket = int(sketch.buckets_of(np.array([value]))[0])
            for tier in TIERS_MS:
                found[tier, start_of(ts_ms, tier), slot].weigh(value, weight, bucket)
    return found


Stream = dict[tuple[int, int], float]
"""The largest total of each start and event time."""


def streams_of(points: Points, series: list[bytes]) -> dict[tuple[int, float | None], Stream]:
    """Running totals by slot, and by bucket for histograms."""
    assert points.weight is not None
    assert points.start_ms is not None
    found: defaultdict[tuple[int, float | None], Stream] = defaultdict(dict)
    columns = (points.slot, points.start_ms, points.ts_ms, points.value, points.weight)
    for slot, start_ms, ts_ms, value, weight in zip(*(column.tolist() for column in columns), strict=True):
        kind = kind_of(series[slot])
        if kind == "gauge":
            continue
        stream = found[slot, value if kind == "histogram" else None]
        total = weight if kind == "histogram" else value
        stream[start_ms, ts_ms] = max(total, stream.get((start_ms, ts_ms), total))
    return found


def increments(stream: Stream) -> Iterator[tuple[int, float]]:
    """When and by how much a stream has grown; starts are far from each other."""
    begun_ms = min(ts_ms for _, ts_ms in stream)
    for start_ms, sequence in groupby(sorted(stream), lambda at: at[0]):
        previous: float | None = None
        for _, ts_ms in sequence:
            total = stream[start_ms, ts_ms]
            if previous is None and start_ms and (ts_ms - start_ms <= YOUNG_MS or start_ms > begun_ms):
                previous = 0.0
            if previous is not None and start_ms != ts_ms:
                yield ts_ms, total - (0 if total < previous else previous)
            previous = total


def rows_of(tables: dict[int, Rollups]) -> dict[tuple[int, int, int], tuple[object, ...]]:
    """The rows of the tables in the form of `Expected.row`."""
    found = {}
    for tier, rows in tables.items():
        scalars = (
            rows.count,
            rows.samples,
            rows.sum,
            rows.min,
            rows.max,
            rows.last,
            rows.last_ms,
            rows.estimated,
        )
        for i, row in enumerate(zip(*(column.tolist() for column in scalars), strict=True)):
            weights = slice(rows.sketch_at[i], rows.sketch_at[i + 1])
            strings = slice(rows.distinct_at[i], rows.distinct_at[i + 1])
            found[tier, int(rows.start_ms[i]), int(rows.slot[i])] = (
                *row,
                list(zip(rows.bucket[weights].tolist(), rows.weight[weights].tolist(), strict=True)),
                list(zip(rows.register[strings].tolist(), rows.rank[strings].tolist(), strict=True)),
            )
    return found


Late = Counter[tuple[int, int, int]]
"""By resolution, start and slot."""


def lateness(points: Points, batches: list[Ints]) -> tuple[Late, Late]:
    """Messages and points that came to each row after its close: the watermark before them had passed its end."""
    order = np.concatenate(batches)
    number = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    reached_ms = np.maximum.accumulate([points.ts_ms[batch].max() for batch in batches]) - DISORDER_MS
    # The first message has nothing before it: its own watermark counts.
    before_ms = np.concatenate((reached_ms[:1], reached_ms[:-1]))[number]
    messages, late = Late(), Late()
    for tier in TIERS_MS:
        start_ms = starts_of(points.ts_ms[order], tier)
        closed = start_ms + tier <= before_ms
        came = [column[closed].tolist() for column in (start_ms, points.slot[order], number)]
        late.update((tier, start, slot) for start, slot, _ in zip(*came, strict=True))
        messages.update((tier, start, slot) for start, slot, _ in set(zip(*came, strict=True)))
    return messages, late


def wrong_lateness(tables: dict[int, Rollups], expected: tuple[Late, Late], series: list[bytes]) -> list[str]:
    """Rows that do not say what came late, a line each; late totals may revise rows of other moments as well."""
    messages, late = expected
    wrong = []
    for tier, rows in tables.items():
        columns = (rows.start_ms, rows.slot, rows.revision, rows.late_count)
        for start, slot, revision, count in zip(*(column.tolist() for column in columns), strict=True):
            row = tier, start, slot
            exact = kind_of(series[slot]) == "gauge"
            if count != late[row] or revision < messages[row] or (exact and revision != messages[row]):
                wrong.append(f"{row}: {revision} revisions, {count} late; not {messages[row]}, {late[row]}")
    return wrong


def close_to(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row whose bounds need not be equal to the last bit."""
    return tuple(pytest.approx(value, rel=1e-12) if i in {3, 4} else value for i, value in enumerate(row))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(1, 60))
def test_rows_do_not_depend_on_the_order(seed: int, other: int, rows: int) -> None:
    """Two orders of a few points, batched, repeated and committed in other ways, give the same bytes."""
    series = [b"\x01", b"\x02", b"\x60", b"\x70"]
    points = drawn(seed, rows, series, 40 * 60_000)

    found = tables_of(points, series, seed, largest=5)
    late = lateness(points, batches_of(points, seed, largest=5))

    assert columns(found) == columns(tables_of(points, series, other, largest=9))
    assert rows_of(found) == {key: close_to(row.row()) for key, row in oracle(points, series).items()}
    assert [] == wrong_lateness(found, late, series)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_rows_of_many_points_are_those_of_a_plain_count(part: int) -> None:
    """200,000 points in many orders, with late ones, retractions, repeats and running totals, give the same bytes.

    What came late is counted as each order has it.
    """
    series = [bytes([admit]) for admit in (*range(32), *range(0x60, 0x80))]
    points = drawn(5, 200_000, series, 45 * 60_000)
    first = tables_of(points, series, 0, LARGEST[0])
    expected = columns(first)

    assert rows_of(first) == {key: close_to(row.row()) for key, row in oracle(points, series).items()}
    for seed in range(part, ORDERS, PARTS):
        largest = LARGEST[seed % len(LARGEST)]
        found = tables_of(points, series, seed, largest)
        assert expected == columns(found), seed
        assert [] == wrong_lateness(found, lateness(points, batches_of(points, seed, largest)), series)[:10]
