"""The fields of our own points and events as columns, taken out with as few passes as possible.

Times are milliseconds UTC. A body pays one pass for each field that none of its points has.
"""

from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple
from numpy.typing import NDArray

from services.gateway.intake.columns.contract import EventColumns, PointColumns
from services.gateway.intake.columns.event_fields import EventFields
from services.gateway.intake.columns.histograms import HistogramRow, buckets_of
from services.gateway.intake.columns.json import labels_of_text, time_of
from services.gateway.intake.columns.optional_columns import (
    absent,
    distinct_column,
    is_given,
    marked_rows,
    sampled_weights,
    start_column,
    weight_column,
)
from services.gateway.intake.domain.admission import Mask, Rejection, refused
from services.gateway.intake.protocols.native.body import NO_VALUE, PlainPoint, PointFields

GAUGE = [("gauge", "")]
"""Kind and unit of all plain points."""


def plain_columns(rows: Sequence[PlainPoint]) -> PointColumns:
    """The columns of plain points; raise `OverflowError` for a time that no 64-bit integer holds."""
    ts_ms = np.fromiter([row.ts for row in rows], np.int64, len(rows))
    value = np.frombuffer(array("d", [row.value for row in rows]), np.float64)
    labels = [row.labels for row in rows]
    return PointColumns([row.name for row in rows], labels, _reader(labels), GAUGE, ts_ms, value)


def point_columns(rows: Sequence[PointFields], received_at_ms: int) -> PointColumns:
    """The columns of any points, and what is wrong with some of them."""
    times, labels = [row.ts for row in rows], [row.labels for row in rows]
    value, valueless = _values(rows)
    columns = PointColumns(
        [row.name for row in rows],
        labels,
        _reader(labels),
        _kinds(rows),
        _times(times, received_at_ms),
        value,
        timed=None not in times,
    )
    found = _optional(columns, rows)
    if valueless.any():
        found += refused(marked_rows(valueless & _bare(rows)), "invalid_value", f"value: {NO_VALUE}")
    columns.histogram, refusals = buckets_of(_histograms(rows), columns.weight)
    columns.refused = found + refusals
    return columns


def event_columns(rows: Sequence[EventFields], received_at_ms: int) -> EventColumns:
    """The columns of events."""
    if not rows:
        return EventColumns([], [], [], [], [], [], [])
    # In the order of their declaration; a third faster than a pass for each field.
    ids, types, names, times, sessions, users, properties = zip(*map(astuple, rows), strict=True)
    return EventColumns(ids, types, _event_times(times, received_at_ms), names, sessions, users, properties)


def _event_times(times: Sequence[int | datetime | None], received_at_ms: int) -> Sequence[int]:
    """Event time of every row; where none was given, when it was received."""
    if set(map(type, times)) == {int}:
        return times  # type: ignore[return-value]  # all are integers
    return [time_of(ts, received_at_ms) for ts in times]


def _reader(labels: list[msgspec.Raw]) -> Callable[[int], dict[str, str]]:
    return partial(_read, labels)


def _read(labels: list[msgspec.Raw], row: int) -> dict[str, str]:
    return labels_of_text(labels[row])


def _kinds(rows: Sequence[PointFields]) -> list[tuple[str, str]]:
    """Kind and unit of every row's series, or the one pair that all share."""
    kinds, units = {row.kind for row in rows}, {row.unit for row in rows}
    plain = "cumulative" not in kinds or all(row.histogram is UNSET for row in rows)
    if plain and len(kinds) == len(units) == 1:
        return [(kinds.pop(), units.pop())]
    return [("histogram" if _counts_buckets(row) else row.kind, row.unit) for row in rows]


def _counts_buckets(row: PointFields) -> bool:
    """Whether the row holds running totals bucket by bucket."""
    return row.kind == "cumulative" and row.histogram is not UNSET


def _times(times: Sequence[int | datetime | None], received_at_ms: int) -> NDArray[np.int64]:
    """Event time of every row; where none was given, when it was received."""
    try:
        return np.fromiter(times, np.int64, len(times))  # others are caught
    except (TypeError, OverflowError):
        return np.fromiter([time_of(ts, received_at_ms) for ts in times], np.int64, len(times))


def _values(rows: Sequence[PointFields]) -> tuple[NDArray[np.float64], Mask]:
    """The value of every row, 0 where there is none, and which rows have none."""
    values: list[Any] = [row.value for row in rows]
    try:
        return np.frombuffer(array("d", values), np.float64), np.zeros(len(rows), np.bool_)
    except TypeError:
        return np.array([0.0 if value is UNSET else value for value in values], np.float64), absent(values)


def _optional(columns: PointColumns, rows: Sequence[PointFields]) -> list[Rejection]:
    """Fill in the columns that most bodies lack; return the refusals by row."""
    found: list[Rejection] = []
    weights, rates = [row.weight for row in rows], [row.sample_rate for row in rows]
    if is_given(weights):
        columns.weight, refusals = weight_column(weights, _total(rows))
        found += refusals
    if is_given(rates):
        columns.weight, refusals = sampled_weights(columns.weight, rates, ~absent(weights) | _total(rows))
        found += refusals
    if columns.weight is not None and (columns.weight == 1).all():
        columns.weight = None
    starts = [row.start_ts for row in rows]
    if starts.count(None) < len(starts):
        columns.start_ms, refusals = start_column(starts, _total(rows), columns.ts_ms)
        found += refusals
    texts = [row.distinct for row in rows]
    if is_given(texts):
        columns.distinct, refusals = distinct_column(texts, _bare(rows) & ~_total(rows))
        found += refusals
    return found


def _histograms(rows: Sequence[PointFields]) -> list[HistogramRow]:
    fields = [row.histogram for row in rows]
    if not is_given(fields):
        return []
    return [
        HistogramRow(at, field.bounds, field.counts, rows[at].kind, rows[at].value is not UNSET)
        for at, field in enumerate(fields)
        if not isinstance(field, UnsetType)
    ]


def _total(rows: Sequence[PointFields]) -> Mask:
    """Which rows hold running totals."""
    return np.fromiter([row.kind == "cumulative" for row in rows], np.bool_, len(rows))


def _bare(rows: Sequence[PointFields]) -> Mask:
    """Which rows have no histogram."""
    return absent([row.histogram for row in rows])
