"""When days are closed, and what their files are called."""

from datetime import date

import pytest

from shared.files.archive import (
    ARCHIVED,
    DAY_MS,
    begin_ms,
    closed_until,
    columns_read,
    day_of,
    name_of,
    statement,
)

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(("table", "days"), [("rollup_15m", 9), ("rollup_1m", 9), ("event", 9)])
def test_a_day_is_closed_nine_days_after_its_end(table: str, days: int) -> None:
    """To the millisecond: so late a point may be that the fold still takes, or an event."""
    end_ms = begin_ms(DAY) + DAY_MS
    edge_ms = end_ms + days * DAY_MS

    assert (DAY, date(2026, 3, 2)) == (
        closed_until(ARCHIVED[table], edge_ms - 1), closed_until(ARCHIVED[table], edge_ms),
    )  # fmt: skip


@pytest.mark.parametrize("ms", [0, DAY_MS - 1, DAY_MS, begin_ms(DAY), begin_ms(DAY) + DAY_MS - 1])
def test_an_instant_lies_in_its_day(ms: int) -> None:
    """In UTC."""
    day = day_of(ms)

    assert begin_ms(day) <= ms < begin_ms(day) + DAY_MS


def test_a_file_lies_in_folders_that_others_read() -> None:
    """Partitions of Hive, and a name by the content."""
    assert f"event/tenant=7/day=2026-03-01/{'ab' * 16}.parquet" == name_of("event", 7, DAY, "ab" * 32)


@pytest.mark.parametrize("table", ARCHIVED)
def test_rows_are_read_tenant_by_tenant_in_an_order(table: str) -> None:
    """The tenant is the first column of what is read, and the first in the order."""
    text = statement(ARCHIVED[table])

    assert "tenant_id" == columns_read(ARCHIVED[table])[0].name
    assert text.rpartition(" ORDER BY ")[2].split(", ")[0] in {"s.tenant_id", "r.tenant_id"}
    assert f"FROM {table} r" in text
