"""Fills topics before a run: batches of points as the gateway would have sent them, and plain JSON messages.

Milliseconds UTC. Points come in order of time with small disorder; windows end with the last quarter of an hour. The
points sent are counted by window, and the tables are compared with that count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from bench import log, traffic
from shared.model.point import Points
from shared.model.series import Series
from shared.model.window import BASE_MS, TIERS_MS, start_of
from shared.runtime.clock import now_ms
from shared.wire import envelope
from shared.wire import series as wire
from shared.wire.topics import DEFAULT_PARTITIONS

Ints: TypeAlias = NDArray[np.int64]

MARGIN_MS = BASE_MS
"""How long before now the last window of the coarsest tier has ended: the tick at the end closes every window."""


@dataclass(frozen=True, slots=True)
class TopicLoad:
    """What a topic was filled with."""

    points: int
    total: float
    """Sum of their values."""
    rows: int
    """Pairs of series and window with at least one point."""
    messages: int
    message_bytes: int
    """Mean size before compression."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a load."""

    series: int
    windows: int
    points_a_window: int
    """Mean of a series."""
    points_a_message: int
    age_ms: int = 0
    """How long ago, at least, the last window ended."""


async def fill(kafka: str, topic: str, tenant_id: int, plan: Plan) -> TopicLoad:
    """Batches of points for all partitions, then one tick each that closes the last window."""
    owned = by_partition(tenant_id, plan.series)
    end_ms = start_of(now_ms() - MARGIN_MS - plan.age_ms, TIERS_MS[-1])
    first_ms = end_ms - plan.windows * BASE_MS
    chance = np.random.default_rng(3)
    seq = [0] * DEFAULT_PARTITIONS
    points = rows = size = 0
    total = 0.0
    for window in range(plan.windows):
        messages = []
        for partition, series in enumerate(owned):
            used: set[int] = set()
            for slots, spent in _cut(plan, len(series), first_ms + window * BASE_MS, chance):
                seq[partition] += 1
                used.update(slots.tolist())
                value = np.round(chance.lognormal(3, 1, len(slots)), 4)
                batch = Points(slots, spent, value)
                messages.append((partition, packed(seq[partition], series, batch, int(spent.max()) + 5)))
                points, total = points + len(batch), total + float(value.sum())
            rows += len(used)
        size += sum(len(value) for _, value in messages)
        await log.append(kafka, topic, messages)
    ticks = [(p, envelope.tick("bench", seq[p] + 1, now_ms())) for p in range(DEFAULT_PARTITIONS)]
    await log.append(kafka, topic, ticks)
    return TopicLoad(points, total, rows, sum(seq), round(size / sum(seq)))


def by_partition(tenant_id: int, count: int) -> list[list[bytes]]:
    """Distinct series, packed, by the partition that they are routed to."""
    owned: list[list[bytes]] = [[] for _ in range(DEFAULT_PARTITIONS)]
    for name, labels in traffic.pool(count):
        packed = wire.pack(Series(tenant_id, name, "gauge", "", tuple(sorted(labels.items()))))
        owned[wire.partition_of(wire.series_id(packed), DEFAULT_PARTITIONS)].append(packed)
    return owned


def _cut(plan: Plan, series: int, start_ms: int, chance: np.random.Generator) -> Iterator[tuple[Ints, Ints]]:
    """Slots and times of each message of one partition and window."""
    rows = series * plan.points_a_window
    messages = max(1, round(rows / plan.points_a_message))
    for number in range(messages):
        begin, end = (start_ms + BASE_MS * n // messages for n in (number, number + 1))
        slots = chance.integers(0, series, plan.points_a_message)
        yield slots, chance.integers(begin, end, plan.points_a_message)


def packed(seq: int, series: list[bytes], points: Points, received_at_ms: int) -> bytes:
    """A message of points whose slots point into `series`; it names only those it uses."""
    distinct, slot = np.unique(points.slot, return_inverse=True)
    used = Points(slot.astype(np.uint16), points.ts_ms, points.value)
    named = [series[at] for at in distinct.tolist()]
    return envelope.encode(envelope.PointBatch("bench", seq, received_at_ms, named, used, []))


async def fill_naive(kafka: str, topic: str, series: int, messages: int) -> None:
    """One JSON message a point, in one partition."""
    chance = np.random.default_rng(3)
    pool = traffic.pool(series)
    first_ms = now_ms() - BASE_MS
    filled = []
    for at, number in enumerate(chance.integers(0, series, messages).tolist()):
        name, labels = pool[number]
        value = round(float(chance.lognormal(3, 1)), 4)
        ts_ms = first_ms + at * BASE_MS // messages
        row = {"series": f"{name}-{number}", "name": name, "ts": ts_ms, "value": value, "labels": labels}
        filled.append((0, orjson.dumps(row)))
    await log.append(kafka, topic, filled)
