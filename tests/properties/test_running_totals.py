"""Running totals against the OpenTelemetry data model: what writers counted, told by an oracle that knows the writers.

Each case is a series of one to three streams, each of up to four writers, which begin anew, reset, waver, fork or do
not know their start. The oracle adds up what each has said ("Sums", "Resets and gaps", "Unknown start time"); it never
looks at starts to find out who wrote a total. `TIDEGAUGE_TOTALS` says how many cases; `make totals` wants 100,000.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from services.aggregator.domain.totals.history import NOTHING
from services.aggregator.domain.totals.increments import RunningTotals
from services.aggregator.domain.windows.entries import INCREMENT, Entries
from shared.wire.versions import NEW, OLD
from tests.support.restarts import restarted_totals

T0 = 1_732_252_800_000
HOUR_MS = 3_600_000
EVERY_MS = 10_000
"""Between two totals of a writer."""

MIDDLE = 0.5
"""Of the bucket of each odd slot; even slots are counters."""

SERIES = 100
"""Cases of a world: series, or buckets, of one partition."""

STREAM_IDS = (0, 7, (1 << 64) - 1)
"""Of the streams of one series."""

CASES = int(os.environ.get("TIDEGAUGE_TOTALS", "4000"))
WORLDS = max(1, CASES // SERIES)
SHARES = 4
"""Tests that the worlds are divided among."""

KNOWN, WAVERS, AT_FIRST, AT_EACH, ABSENT = "known", "wavers", "at first", "at each", "absent"
"""What a writer says of its start: when it began; that to a few seconds; the time of its first total, from then on; the
time of each total; nothing."""

Added = dict[tuple[int, int], float]
"""By slot and event time."""


class Total(NamedTuple):
    """A total on its way."""

    slot: int
    ts_ms: int
    start_ms: int
    total: float
    stream: int


@dataclass
class Writer:
    """A process: when its counter began, and its totals by event time."""

    says: str
    begun_ms: int
    ts_ms: list[int]
    totals: list[float]


def writer(random: np.random.Generator, says: str, begun_ms: int, age_ms: int, offset: float) -> Writer:
    """A writer with a few totals, the first of which is so old; now and then it is reset."""
    count = int(random.integers(4, 9)) if says == ABSENT else int(random.integers(1, 9))
    ts_ms = begun_ms + age_ms + np.arange(count) * EVERY_MS
    totals = offset + random.integers(0, 40, count).cumsum() / 4
    if says != ABSENT and random.random() < 0.2:
        at = int(random.integers(0, count))
        totals[at:] -= np.floor(totals[at])
    return Writer(says, begun_ms, ts_ms.tolist(), totals.tolist())


def writers(random: np.random.Generator) -> list[Writer]:
    """Those of a stream: one after the other, or side by side with starts that are told well apart."""
    shape = random.choice(["in turn", "in turn", "side by side", "no start", "crashes", "forks", "contested"])
    begun_ms = T0 - int(random.choice([0, 0, 5 * HOUR_MS]))
    age_ms = T0 - begun_ms + int(random.integers(4_000, 60_000))
    offset = float(random.choice([0.0, 1e6])) if begun_ms < T0 else 0.0
    if shape == "crashes":
        return [Writer(KNOWN, T0 + at * 4_000, [T0 + at * 4_000 + 2_000], [float(at % 3)]) for at in range(6)]
    if shape in {"forks", "contested"}:
        return list(together(random, KNOWN if shape == "forks" else ABSENT))
    if shape == "no start":
        offset, begun_ms, age_ms = 1e3, T0, EVERY_MS
    found: list[Writer] = []
    for at in range(int(random.integers(1, 4))):
        says = ABSENT if shape == "no start" else str(random.choice([KNOWN, WAVERS, AT_FIRST, AT_EACH]))
        if shape == "side by side":
            says, begun_ms = str(random.choice([KNOWN, WAVERS])), begun_ms if at == 0 else T0 + 60_000 * at
        found.append(writer(random, says, begun_ms, age_ms, offset))
        age_ms, offset = int(random.integers(4_000, 30_000)), 0.0
        if shape != "side by side":
            begun_ms = found[-1].ts_ms[-1] + int(random.integers(0, 20_000))
    return found


def together(random: np.random.Generator, says: str) -> Iterator[Writer]:
    """Writers that begin within two seconds, and count at rates of their own."""
    levels = random.permutation([0.0, 300.0, 700.0, 1_200.0])[: int(random.integers(2, 5))]
    for at, level in enumerate(levels):
        ts_ms = T0 + 5_000 + at * 700 + np.arange(8) * EVERY_MS
        totals = level + 5.0 + random.integers(0, 8, 8).cumsum() / 4
        yield Writer(says, T0 + at * 600, ts_ms.tolist(), totals.tolist())


def series(random: np.random.Generator, most: int) -> list[list[Writer]]:
    """The streams of a series, at most so many, which know nothing of each other."""
    return [writers(random) for _ in range(int(random.choice([1, most])))]


def reported(random: np.random.Generator, slot: int, one: Writer, stream: int) -> Iterator[Total]:
    """What a writer tells."""
    for ts_ms, total in zip(one.ts_ms, one.totals, strict=True):
        start_ms = {
            KNOWN: one.begun_ms,
            WAVERS: one.begun_ms + int(random.choice([0, 1_000, 2_000, 517, 3_000])),
            AT_FIRST: one.ts_ms[0],
            AT_EACH: ts_ms,
            ABSENT: 0,
        }[one.says]
        yield Total(slot, ts_ms, start_ms, total, stream)


def expected(slot: int, streams: list[list[Writer]]) -> Added:
    """What the streams of a series add together."""
    added: defaultdict[tuple[int, int], float] = defaultdict(float)
    for stream in streams:
        if not is_contested(stream):
            for ts_ms, one in grown(stream):
                added[slot, ts_ms] += one
    return {at: one for at, one in added.items() if one}


def grown(stream: list[Writer]) -> Iterator[tuple[int, float]]:
    """By event time, what the writers of a stream add, by the data model."""
    previous: float | None = None
    for one in stream:
        if one.says != ABSENT:
            # Begun so shortly before its first total, it has told of all that it ever counted.
            previous = 0.0 if one.says in {KNOWN, WAVERS} and one.ts_ms[0] - one.begun_ms < HOUR_MS else None
        for ts_ms, total in zip(one.ts_ms, one.totals, strict=True):
            if previous is not None and one.says != AT_EACH:
                yield ts_ms, total - previous if total >= previous else total
            previous = total


def is_contested(stream: list[Writer]) -> bool:
    """Whether several writers without a start write at once."""
    return len(stream) > 1 and stream[1].says == ABSENT and stream[1].ts_ms[0] < stream[0].ts_ms[-1]


def message(rows: list[Total]) -> tuple[Entries, np.ndarray]:
    """The rows of a message, and which are buckets."""
    slot, ts_ms, start_ms, total = (np.array(column) for column in list(zip(*rows, strict=True))[:4])
    stream = np.array([row.stream for row in rows], np.uint64)
    bucket = slot % 2 == 1
    value, weight = np.where(bucket, MIDDLE, total), np.where(bucket, total, 1.0)
    return Entries(slot, ts_ms, value, weight, start_ms, stream=stream if stream.any() else None), bucket


def counted(random: np.random.Generator, totals: list[Total], versions: list[int]) -> Added:
    """What they add in some order, with messages of some size, totals forgotten and processes restarted in between."""
    delay_ms = float(random.choice([0, 30_000, 1e9]))
    order = np.argsort([one.ts_ms + random.normal(0, delay_ms) for one in totals])
    size = int(random.choice([20, 200, 2_000]))
    kept, whole, watermark_ms = RunningTotals(), NOTHING, T0 - 2_000
    added: defaultdict[tuple[int, int], float] = defaultdict(float)
    for begin in range(0, len(order), size):
        rows = [totals[at] for at in order[begin : begin + size]]
        judged = kept.judge(*message(rows), watermark_ms)
        assert not judged.stale.any()
        for key, one in increments(judged.entries):
            added[key] += one
        watermark_ms = max(watermark_ms, max(one.ts_ms for one in rows) - 2_000)
        if random.random() < 0.05:
            kept.forget(watermark_ms)
        if random.random() < 0.1:
            forgotten, stored = kept.checkpoint()
            whole = whole if forgotten is None else forgotten
            kept = restarted_totals(stored, whole, SERIES, int(random.choice(versions)))
    return {key: one for key, one in added.items() if one}


def increments(entries: Entries) -> Iterator[tuple[tuple[int, int], float]]:
    """What is added and taken back."""
    rows = entries.rows(np.flatnonzero(entries.role == INCREMENT))
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    growth = np.where(rows.slot % 2 == 1, weight, rows.value * weight)
    return zip(zip(rows.slot.tolist(), rows.ts_ms.tolist(), strict=True), growth.tolist(), strict=True)


@pytest.mark.parametrize("share", range(SHARES))
def test_totals_add_what_their_writers_have_counted(share: int) -> None:
    """In any order within the horizon, batched, forgotten in part and restarted from each version that can say it."""
    for world in range(share, WORLDS, SHARES):
        random = np.random.default_rng([share, world])
        apart = world % 2 == 1
        cases = [series(random, len(STREAM_IDS) if apart else 1) for _ in range(SERIES)]
        totals = [
            row
            for slot, streams in enumerate(cases)
            for stream, each in zip(STREAM_IDS, streams, strict=False)
            for one in each
            for row in reported(random, slot, one, stream)
        ]
        wanted = {
            key: one for slot, streams in enumerate(cases) for key, one in expected(slot, streams).items()
        }

        found = counted(random, totals, [NEW] if apart else [OLD, NEW])

        wrong = {key[0] for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)}
        assert {} == {slot: cases[slot] for slot in wrong}, f"world {world} of share {share}"
