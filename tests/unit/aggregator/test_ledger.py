"""Rows are counted by the tenants of their series."""

import numpy as np

from services.aggregator.domain.ledger import RowCounts
from shared.ledger.entries import Entry

MINUTE = 1_760_000_040_000


def slots(*numbers: int) -> np.ndarray:
    """Slots of rows."""
    return np.array(numbers, np.int64)


def test_rows_count_for_the_tenants_of_their_series() -> None:
    """A series is asked for its tenant once, however many rows it has."""
    asked: list[bytes] = []

    def tenant_of(packed: bytes) -> int:
        asked.append(packed)
        return packed[0]

    counts = RowCounts(tenant_of)
    counts.count(MINUTE, "counted", slots(0, 0), [b"\x07"])
    counts.count(MINUTE, "counted", slots(0, 1, 2, 1), [b"\x07", b"\x08", b"\x07"])
    counts.count(MINUTE, "duplicate", slots(1), [b"\x07", b"\x08", b"\x07"])
    counts.count(MINUTE, "conflict", slots(), [b"\x07", b"\x08", b"\x07"])

    assert [b"\x07", b"\x08", b"\x07"] == asked
    assert {
        Entry(MINUTE, 7, "counted"): 4,
        Entry(MINUTE, 8, "counted"): 2,
        Entry(MINUTE, 8, "duplicate"): 1,
    } == counts.take()
    assert {} == counts.take()


def test_slots_that_are_renumbered_keep_their_tenants() -> None:
    """Also when some of the series were never asked for."""
    series = [b"\x01", b"\x02", b"\x03", b"\x04"]
    counts = RowCounts(lambda packed: packed[0])
    counts.count(MINUTE, "counted", slots(0, 1), series[:3])
    counts.take()

    counts.keep(slots(1, 2, 3))
    counts.count(MINUTE, "counted", slots(0, 2, 2), series[1:])

    assert {Entry(MINUTE, 2, "counted"): 1, Entry(MINUTE, 4, "counted"): 2} == counts.take()
