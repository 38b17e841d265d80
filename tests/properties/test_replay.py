"""Laws of the fold: it does not matter where the log is cut, nor when checkpoints were taken."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.domain.lateness import revise, rows_to_revise
from services.aggregator.service import Arrival, PartitionFold, Work
from shared.model.point import Points
from shared.model.rollup import Rollups, concatenate
from shared.wire import rollups

T0 = 1_732_252_800_000
SERIES = [b"a", b"b", b"c"]

message = st.tuples(
    st.integers(0, 60_000),
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(-30_000, 3_000),
            st.floats(-1e6, 1e6, allow_nan=False),
            st.sampled_from([1.0, 1.0, 3.3, -1.0, 0.1]),
        ),
        max_size=6,
    ),
)
"""Receive time after T0, and points of (slot, age, value, weight)."""


def fold_of(messages: list[tuple[int, list[tuple[int, int, float, float]]]], cuts: set[int]) -> bytes:
    """The rows that come out, as bytes, when checkpoints are taken after the messages in `cuts`."""
    fold, table = PartitionFold(bytes), Table()
    clock_ms = 0
    for seq, (step_ms, rows) in enumerate(messages):
        clock_ms += step_ms // 10
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        weights = np.array(columns[3], np.float64)
        points = Points(
            np.array(columns[0], np.uint16),
            np.array(columns[1], np.int64) + T0 + clock_ms,
            np.array(columns[2], np.float64),
            None if (weights == 1).all() else weights,
        )
        fold.fold(Arrival("gateway", seq, T0 + clock_ms, SERIES if rows else []), points)
        if seq in cuts:
            work = fold.checkpoint()
            table.write(work)
            fold = restored(fold, work)
    nothing = Points(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0))
    fold.fold(Arrival("gateway", len(messages), T0 + clock_ms + 600_000, []), nothing)
    table.write(fold.checkpoint())
    return table.content()


def restored(fold: PartitionFold, work: Work) -> PartitionFold:
    """A new process that goes on from the checkpoint, through the bytes of its snapshot."""
    successor = PartitionFold(bytes, watermark_ms=fold.watermark_ms, seen=dict(fold.seen))
    if work.open is not None:
        packed = rollups.encode(rollups.Windows(0, False, 0, 0, work.series, work.open))
        opened = rollups.decode(packed)
        successor.restore(opened.series, opened.rollups)
    return successor


class Table:
    """The rows of `rollup_10s`, by window and series."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, bytes], Rollups] = {}

    def write(self, work: Work) -> None:
        """Closed windows first, then what late points change."""
        if work.closed is not None:
            self._put(work.series, work.closed)
        if work.late:
            starts, slots = rows_to_revise(work.late)
            keys = zip(starts.tolist(), slots.tolist(), strict=True)
            known = [(start, slot) for start, slot in keys if (start, work.series[slot]) in self._rows]
            stored = [self._at(start, slot, work.series) for start, slot in known]
            self._put(work.series, revise(concatenate(stored) if stored else None, work.late))

    def _at(self, start_ms: int, slot: int, series: list[bytes]) -> Rollups:
        one = self._rows[start_ms, series[slot]].take(np.array([0]))
        one.slot = np.array([slot])
        return one

    def _put(self, series: list[bytes], rows: Rollups) -> None:
        for i in range(len(rows)):
            one = rows.take(np.array([i]))
            self._rows[int(one.start_ms[0]), series[int(one.slot[0])]] = one

    def content(self) -> bytes:
        """All rows in the order of their keys, slots aside."""
        parts = []
        for key in sorted(self._rows):
            one = self._rows[key].take(np.array([0]))
            one.slot = np.array([SERIES.index(key[1])])
            parts.append(rollups.encode(rollups.Windows(0, True, 0, 0, [], one)))
        return b"".join(parts)


@settings(max_examples=150, deadline=None)
@given(st.lists(message, max_size=12), st.sets(st.integers(0, 11)))
def test_rows_do_not_depend_on_when_checkpoints_were_taken(
    messages: list[tuple[int, list[tuple[int, int, float, float]]]], cuts: set[int]
) -> None:
    """Replaying the log gives the same rows to the bit, however often the process was replaced on the way."""
    assert fold_of(messages, set()) == fold_of(messages, cuts)
