"""Packed rows of prepared groups, put together some windows at a time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.gateway.query.questions.grouped import Grouped, without_sketches
from services.gateway.query.questions.selection import Matcher, Selection
from services.gateway.query.questions.tables import prepared
from services.gateway.query.questions.tables.prepared import PackedRow, put_together
from shared.errors import Unavailable
from shared.model.rollup import ROW_COLUMNS, SPARSE_COLUMNS
from shared.model.series import Series
from shared.wire.rollups import WindowBatch
from shared.wire.series import pack
from shared.wire.stored import groups
from tests.support.rows import rows_of

TIER_MS = 900_000
SINCE = datetime(2026, 11, 30, tzinfo=UTC)
BY_ENDPOINT = Selection(1, "m", by=("endpoint",))


def packed(windows: int = 4, partitions: int = 3) -> list[PackedRow]:
    """Rows of each window and partition, of three endpoints; values are dyadic, so that sums are exact."""
    random = np.random.default_rng(3)
    names = [
        pack(Series(1, "m", "delta", "s", (("endpoint", f"/{name}"), ("status", name)))) for name in "abc"
    ]
    found = []
    for window in range(windows):
        start = SINCE + timedelta(milliseconds=window * TIER_MS)
        start_ms = int(start.timestamp() * 1000)
        for partition in range(partitions):
            values = random.integers(1, 4_000, (len(names), 5)) / 256
            rows = rows_of([(slot, start_ms, each.tolist()) for slot, each in enumerate(values)])
            batch = WindowBatch(partition, True, 0, 0, names, rows, TIER_MS)
            found.append((start, groups.encode(batch, 5)))
    return found


def columns(found: Grouped) -> dict[str, list[object]]:
    """All columns of the rows, and what their slots mean."""
    columns = {name: getattr(found.rollups, name).tolist() for name in (*ROW_COLUMNS, *SPARSE_COLUMNS)}
    return columns | {"groups": list(found.groups)}


@pytest.mark.parametrize("together", [1, 700, 1 << 30])
def test_rows_are_the_same_however_many_windows_are_put_together_at_a_time(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """A window is never divided: its rows are added in their order."""
    at_once = columns(put_together(BY_ENDPOINT, packed(), TIER_MS))

    monkeypatch.setattr(prepared, "TOGETHER_BYTES", together)
    found = put_together(BY_ENDPOINT, packed(), TIER_MS)

    assert at_once == columns(found)
    assert [15.0] * 12 == found.rollups.count.tolist()
    assert ["/a", "/b", "/c"] == [dict(group.labels)["endpoint"] for group in found.groups]


def test_groups_that_are_not_asked_for_are_left_out() -> None:
    """As by a condition on a label of the set."""
    where = (Matcher("status", "=", ("b",)),)
    found = put_together(Selection(1, "m", where=where, by=("endpoint",)), packed(), TIER_MS)

    assert [15.0] * 4 == found.rollups.count.tolist()
    assert 0 == len(put_together(BY_ENDPOINT, [], TIER_MS).rollups)


def test_a_value_with_other_rows_than_groups_is_refused() -> None:
    """Its figures would be those of other groups."""
    name = pack(Series(1, "m", "delta", "s", ()))
    rows = rows_of([(0, 0, [1.0]), (0, TIER_MS, [1.0])])
    value = groups.encode(WindowBatch(0, True, 0, 0, [name], rows, TIER_MS), 5)

    with pytest.raises(Unavailable, match="one row for each group"):
        put_together(BY_ENDPOINT, [(SINCE, value)], TIER_MS)


def test_figures_without_sketches_are_those_with_them() -> None:
    """They are merged faster."""
    found = put_together(BY_ENDPOINT, packed(), TIER_MS).rollups
    lean = without_sketches(found)

    assert 0 == len(lean.bucket) == lean.sketch_at[-1]
    assert [getattr(found, name).tolist() for name in ROW_COLUMNS] == [
        getattr(lean, name).tolist() for name in ROW_COLUMNS
    ]
