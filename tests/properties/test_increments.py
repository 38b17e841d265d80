"""Law of running totals: what they add is a function of their set, in whatever order and batches they come."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.domain.totals.history import NOTHING
from services.aggregator.domain.totals.increments import HORIZON_MS, RunningTotals
from services.aggregator.domain.windows.entries import INCREMENT, Entries
from tests.support.restarts import restarted_totals

T0 = 1_732_252_800_000
SECOND_MS = 1_000
SPAN_MS = 40 * 60_000

Total = tuple[int, float | None, int, int, float]
"""Slot, middle of the bucket, start, event time, total."""

Added = dict[tuple[int, int, float], float]
"""Weight by slot, event time and value."""


STREAMS = ((0, None), (1, None), (2, -1.5), (2, 0.5), (3, -1.5), (3, 0.5))
"""Slots, and middles of buckets."""


def drawn(random: np.random.Generator, rows: int) -> list[Total]:
    """Totals of a few series whose processes begin anew each ten minutes or so, reset once, and share instants."""
    found = []
    for _ in range(rows):
        slot, middle = STREAMS[int(random.integers(0, len(STREAMS)))]
        age_ms = int(random.integers(0, SPAN_MS // 5_000)) * 5_000
        # Two processes at a time, the older of which goes on for a while.
        process = max(0, age_ms // 600_000 - int(random.integers(0, 2)))
        steps = (age_ms - process * 600_000) // 5_000
        # Its counter began anew some time after its start.
        reset = (slot * 37 + process * 11) % 100
        total = (steps - reset if steps >= reset else steps * 3) / 4
        found.append((slot, middle, T0 + process * 600_000, T0 + age_ms, total))
    # The first process is seen at once, so that no stream begins with another.
    return [(slot, middle, T0, T0, 0.0) for slot, middle in STREAMS] + found


def expected(totals: list[Total]) -> Added:
    """What these totals add, one by one."""
    sequences: defaultdict[tuple[int, float | None, int], dict[int, float]] = defaultdict(dict)
    for slot, middle, start_ms, ts_ms, total in totals:
        sequence = sequences[slot, middle, start_ms]
        sequence[ts_ms] = max(total, sequence.get(ts_ms, 0.0))
    added: defaultdict[tuple[int, int, float], float] = defaultdict(float)
    for (slot, middle, start_ms), sequence in sequences.items():
        # Each has a start that is young, or after the first total of its stream: it counts from zero.
        previous = 0.0
        for ts_ms in sorted(sequence):
            total = sequence[ts_ms]
            grown = total if total < previous else total - previous
            previous = total
            if ts_ms != start_ms:
                value, weight = (grown, 1.0) if middle is None else (middle, grown)
                added[slot, ts_ms, value] += weight
    return {key: weight for key, weight in added.items() if weight}


def entries_of(totals: list[Total]) -> tuple[Entries, np.ndarray]:
    """The rows of a message, and which are buckets."""
    slot, middle, start_ms, ts_ms, total = zip(*totals, strict=True)
    buckets = np.array([each is not None for each in middle])
    values = [run if each is None else each for each, run in zip(middle, total, strict=True)]
    entries = Entries(
        np.array(slot), np.array(ts_ms), np.array(values), np.where(buckets, total, 1.0), np.array(start_ms)
    )
    return entries, buckets


def counted(
    random: np.random.Generator, totals: list[Total], delay_ms: float, first: int = 0
) -> tuple[Added, list[Total]]:
    """What totals add when all but the first come so much out of order, and those of them that were not too late."""
    arrival = [ts_ms + random.normal(0, delay_ms) for *_, ts_ms, _ in totals]
    arrival[:first] = [-np.inf] * first
    order = [totals[at] for at in np.argsort(arrival)]
    kept, whole, watermark_ms = RunningTotals(), NOTHING, T0
    added: defaultdict[tuple[int, int, float], float] = defaultdict(float)
    fresh: list[Total] = []
    while order:
        size = int(random.integers(1, 9))
        message, order = order[:size], order[size:]
        judged = kept.judge(*entries_of(message), watermark_ms)
        fresh += [total for total, stale in zip(message, judged.stale, strict=True) if not stale]
        rows = judged.entries.rows(np.flatnonzero(judged.entries.role == INCREMENT))
        weights = np.ones(len(rows)) if rows.weight is None else rows.weight
        for slot, ts_ms, value, weight in zip(rows.slot, rows.ts_ms, rows.value, weights, strict=True):
            added[int(slot), int(ts_ms), float(value)] += float(weight)
        watermark_ms = max(watermark_ms, *(ts_ms - 2 * SECOND_MS for *_, ts_ms, _ in message))
        if random.random() < 0.1:
            kept.forget(watermark_ms)
        if random.random() < 0.2:
            forgotten, stored = kept.checkpoint()
            whole = whole if forgotten is None else forgotten
            kept = restarted_totals(stored, whole, 4) if random.random() < 0.5 else kept
    return {key: weight for key, weight in added.items() if weight}, fresh


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 120), st.sampled_from((0, 30, 120, 900)))
def test_what_totals_add_is_a_function_of_their_set(seed: int, rows: int, delay_s: int) -> None:
    """However late, batched, forgotten in part and restarted; all that counts is what was fresh."""
    random = np.random.default_rng(seed)

    added, fresh = counted(random, drawn(random, rows), delay_s * SECOND_MS, first=len(STREAMS))

    assert expected(fresh) == added


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 60), st.sampled_from((1, 2, 3)))
def test_any_order_within_the_horizon_adds_the_same(seed: int, rows: int, more: int) -> None:
    """Totals of a quarter of an hour, shuffled, add what they add in order, with nothing too late."""
    random = np.random.default_rng(seed)
    totals = [
        (slot, middle, start_ms, min(ts_ms, T0 + HORIZON_MS), total)
        for slot, middle, start_ms, ts_ms, total in drawn(random, rows)
        if start_ms < T0 + HORIZON_MS
    ]

    for _ in range(more):
        added, fresh = counted(random, totals, 1e9)
        assert len(totals) == len(fresh)
        assert expected(totals) == added
