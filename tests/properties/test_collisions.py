"""Whatever series share an id: no row has the id of another series, and no metric's sum changes, across restarts too.

Ids are narrowed to 48 for 36 series. Each message has points of one metric or several, late ones included.
"""

import zlib
from collections import Counter
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.window import BASE_MS, TIERS_MS
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import kind_of, restarted

T0 = 1_732_252_800_000 // TIERS_MS[-1] * TIERS_MS[-1]
METRICS = b"ABC"
SERIES = [bytes([metric]) + b"%d" % number for metric in METRICS for number in range(12)]
OVERFLOWS = [bytes([metric]) + b"o%d" % number for metric in METRICS for number in range(100)]
NO_POINTS = Points(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0))


class Message(NamedTuple):
    """Points of value 1, 2, 4 … of these series, so late."""

    series: list[int]
    late_ms: int
    commits: bool
    restarts: bool


messages = st.lists(
    st.builds(
        Message,
        st.lists(st.integers(0, len(SERIES) - 1), min_size=1, max_size=6),
        st.sampled_from([0, 0, 5_000, 25_000]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


def id_of(packed: bytes) -> int:
    """One of 48."""
    return zlib.crc32(packed) % 48


def overflow_of(packed: bytes, attempt: int) -> bytes:
    """By metric."""
    return packed[:1] + b"o%d" % attempt


class Tables:
    """The tables `series` and `series_collision`, and the rows of all tiers."""

    def __init__(self) -> None:
        self.series: dict[int, bytes] = {}
        self.taken: set[bytes] = set()
        self.rows = MemoryTables(SERIES + OVERFLOWS)

    def save(self, work: RollupWork) -> None:
        """As the adapter does it."""
        pending = list(work.new_series)
        while pending:
            others = [one for one in pending if self.series.setdefault(id_of(one), one) != one]
            pending = [work.overflow(one) for one in dict.fromkeys(others)]
        self.taken |= set(work.collisions)
        for parts in (work.closed, work.late):
            for rows in parts.values():
                slots = rows.slot.tolist()
                assert [work.series[slot] for slot in slots] == [
                    self.series[series_id] for series_id in work.ids[slots].tolist()
                ]
        self.rows.write(work)

    def sums(self, tier: int) -> Counter[int]:
        """What the rows of a tier hold, by metric."""
        found: Counter[int] = Counter()
        if tier in self.rows.rows:
            rows = self.rows.rows[tier]
            for slot, total in zip(rows.slot.tolist(), rows.sum.tolist(), strict=True):
                found[(SERIES + OVERFLOWS)[slot][0]] += int(total)
        return +found


@given(messages)
def test_sums_of_metrics_stay_right_whatever_collides(sent: list[Message]) -> None:
    """In the finest tier and in the coarsest."""
    tables, expected = Tables(), Counter[int]()
    fold = PartitionFold(bytes, len, kind_of, SeriesNames(id_of, overflow_of))
    for number, message in enumerate(sent):
        now_ms = T0 + 30_000 + number * 4_000
        series = [SERIES[at] for at in dict.fromkeys(message.series)]
        values = 2.0 ** np.arange(len(message.series))
        slot = np.array([series.index(SERIES[at]) for at in message.series], np.uint16)
        points = Points(slot, np.full(len(slot), now_ms - message.late_ms), values)
        for at, value in zip(message.series, values.tolist(), strict=True):
            expected[SERIES[at][0]] += int(value)
        fold.fold(Arrival("gateway", number, now_ms, series), points)
        if message.commits:
            work = fold.checkpoint()
            tables.save(work)
            if message.restarts:
                names = SeriesNames(id_of, overflow_of, frozenset(tables.taken))
                fold = restarted(fold, work, tables.rows, names)
    fold.fold(Arrival("gateway", len(sent), T0 + 2 * TIERS_MS[-1], []), NO_POINTS)
    tables.save(fold.checkpoint())

    assert [+expected] * 2 == [tables.sums(tier) for tier in (BASE_MS, TIERS_MS[-1])]
