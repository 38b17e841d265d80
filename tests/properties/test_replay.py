"""Laws of the fold: it does not matter where the log is cut, when checkpoints were taken, or how often it restarted."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import kind_of, restarted

T0 = 1_732_252_800_000
SERIES = [b"\x01", b"\x02", b"\x60", b"\x70"]
MINUTE_MS = 60_000

Row = tuple[int, int, float, float, int, int]
"""Slot, age, value, weight, hash of a string, and how long its total has run."""

Message = tuple[int, list[Row]]
"""Time since the message before, and its rows."""

ages = st.one_of(st.integers(-30_000, 3_000), st.integers(-40 * MINUTE_MS, 0))

message: st.SearchStrategy[Message] = st.tuples(
    st.sampled_from((0, 700, 4_000, 12_000, MINUTE_MS, 16 * MINUTE_MS)),
    st.lists(
        st.tuples(
            st.sampled_from((0, 1, 2, 2, 3, 3)),
            ages,
            st.sampled_from((0.1, 0.2)) | st.floats(-1e6, 1e6, allow_nan=False),
            st.sampled_from((1.0, 1.0, 3.3, -1.0, 0.1, 0.0, 1e12)),
            st.sampled_from((0, 0, 1, 1 << 63, 0x1234_5678_9ABC_DEF0)),
            st.sampled_from((0, 0, 20_000, 20 * MINUTE_MS)),
        ),
        max_size=6,
    ),
)


def points_of(rows: list[Row], clock_ms: int) -> Points:
    """The columns of a message; those that say nothing are left out."""
    slot, age, value, weight, distinct, ran = list(zip(*rows, strict=True)) or [()] * 6
    weights, hashes = np.array(weight, np.float64), np.array(distinct, np.uint64)
    ts_ms = np.array(age, np.int64) + T0 + clock_ms
    # Totals of one run began together, so they share a start.
    start_ms = (ts_ms - np.array(ran, np.int64)) // MINUTE_MS * MINUTE_MS
    return Points(
        np.array(slot, np.uint16),
        ts_ms,
        np.array(value, np.float64),
        None if (weights == 1).all() else weights,
        start_ms if any(ran) else None,
        distinct=hashes if hashes.any() else None,
    )


def tables_of(messages: list[Message], cuts: dict[int, bool]) -> dict[int, bytes]:
    """What is in the tables when checkpoints follow the messages in `cuts`, those that are true with a restart."""
    fold, tables = PartitionFold(bytes, len, kind_of), MemoryTables(SERIES)
    clock_ms = 0
    for seq, (step_ms, rows) in enumerate([*messages, (40 * MINUTE_MS, [])]):
        clock_ms += step_ms
        arrival = Arrival("gateway", seq, T0 + clock_ms, SERIES if rows else [])
        fold.fold(arrival, points_of(rows, clock_ms))
        if seq in cuts:
            work = fold.checkpoint()
            tables.write(work)
            fold = restarted(fold, work, tables) if cuts[seq] else fold
    tables.write(fold.checkpoint())
    return tables.content()


@settings(max_examples=200, deadline=None)
@given(st.lists(message, max_size=12), st.dictionaries(st.integers(0, 11), st.booleans()))
def test_rows_do_not_depend_on_when_checkpoints_were_taken(
    messages: list[Message], cuts: dict[int, bool]
) -> None:
    """Replaying the log gives the same rows of all tiers to the bit, however often the process was replaced.

    Running totals are among the points, in and out of order, too late, reset and begun anew.
    """
    assert tables_of(messages, {}) == tables_of(messages, cuts)
