"""What few points say beside name, value, time and labels: weights, sample rates, starts and strings to be counted.

Times are milliseconds UTC. The law: a body that says none of it pays one pass for each; what is said and cannot be
stored is refused point by point.
"""

from array import array
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from services.gateway.intake.columns.json import time_of
from services.gateway.intake.columns.points import Columns
from services.gateway.intake.domain.admission import Mask, Rejection, refused
from services.gateway.intake.protocols.native.point_body import NO_VALUE, Point
from shared.model.point import MAX_WEIGHT

MAX_DISTINCT_BYTES = 1024
"""Longest string to be counted."""

RATE_RANGE = f"sample_rate: must be {1 / MAX_WEIGHT:g} to 1"
ONE_WEIGHT = "sample_rate: not together with weight or kind cumulative"
NO_WEIGHT = "weight: not together with kind cumulative"
START_RANGE = "start_ts: must be neither before 1970 nor after ts"
DISTINCT_LENGTH = f"distinct: must be 1 to {MAX_DISTINCT_BYTES} bytes"
DISTINCT_ALONE = "distinct: not together with a histogram or kind cumulative"


def complete(columns: Columns, rows: Sequence[Point]) -> list[Rejection]:
    """Fill in the columns that most bodies lack; return the refusals by row."""
    found: list[Rejection] = []
    weights, rates = [row.weight for row in rows], [row.sample_rate for row in rows]
    if _said(weights):
        columns.weight = _numbers(weights)
        found += refused(_rows(_total(rows) & ~_absent(weights)), "invalid_weight", NO_WEIGHT)
    if _said(rates):
        found += _sample(columns, rates, ~_absent(weights) | _total(rows))
    if columns.weight is not None and (columns.weight == 1).all():
        columns.weight = None
    starts = [row.start_ts for row in rows]
    if starts.count(None) < len(starts):
        found += _start(columns, starts, _total(rows))
    texts = [row.distinct for row in rows]
    if _said(texts):
        found += _hash(columns, texts, _bare(rows) & ~_total(rows))
    if columns.valueless:
        lacking = _absent([row.value for row in rows]) & _bare(rows)
        found += refused(_rows(lacking), "invalid_value", f"value: {NO_VALUE}")
    return found


def _sample(columns: Columns, rates: Sequence[object], weighted: Mask) -> list[Rejection]:
    """One point in so many was sent, so each stands for as many."""
    rate = _numbers(rates)
    unfit = ~((rate >= 1 / MAX_WEIGHT) & (rate <= 1))
    stands_for = 1 / np.where(unfit, 1.0, rate)
    columns.weight = stands_for if columns.weight is None else np.where(weighted, columns.weight, stands_for)
    return [
        *refused(_rows(unfit), "sample_rate_out_of_range", RATE_RANGE),
        *refused(_rows(weighted & ~_absent(rates)), "invalid_sample_rate", ONE_WEIGHT),
    ]


def _start(columns: Columns, starts: Sequence[int | datetime | None], total: Mask) -> list[Rejection]:
    """Only running totals have a start; elsewhere it is of no consequence."""
    start_ms = np.fromiter([time_of(start, 0) for start in starts], np.int64, len(starts)) * total
    columns.start_ms = start_ms if start_ms.any() else None
    return refused(_rows((start_ms < 0) | (start_ms > columns.ts_ms)), "invalid_start_ts", START_RANGE)


def _hash(columns: Columns, texts: Sequence[str | UnsetType], fit: Mask) -> list[Rejection]:
    given = ~_absent(texts)
    strings = [b"" if isinstance(text, UnsetType) else text.encode() for text in texts]
    sizes = np.fromiter(map(len, strings), np.int64, len(strings))
    # 0 says that there is no string, so the one string that hashes to it shares its hash with another.
    columns.distinct = np.array([max(1, xxh3_64_intdigest(each)) for each in strings], np.uint64) * given
    return [
        *refused(
            _rows(given & ((sizes < 1) | (sizes > MAX_DISTINCT_BYTES))), "invalid_distinct", DISTINCT_LENGTH
        ),
        *refused(_rows(given & ~fit), "invalid_distinct", DISTINCT_ALONE),
    ]


def _rows(marked: Mask) -> list[int]:
    return np.flatnonzero(marked).tolist()


def _said(fields: list[Any]) -> bool:
    """Whether any row has the field."""
    return fields.count(UNSET) < len(fields)


def _total(rows: Sequence[Point]) -> Mask:
    """Which rows hold running totals."""
    return np.fromiter([row.kind == "cumulative" for row in rows], np.bool_, len(rows))


def _bare(rows: Sequence[Point]) -> Mask:
    """Which rows have no histogram."""
    return _absent([row.histogram for row in rows])


def _absent(fields: Sequence[object]) -> Mask:
    return np.fromiter([field is UNSET for field in fields], np.bool_, len(fields))


def _numbers(fields: Sequence[Any]) -> NDArray[np.float64]:
    """The fields, 1 where there is none."""
    try:
        return np.frombuffer(array("d", fields), np.float64)
    except TypeError:
        return np.array([1.0 if field is UNSET else field for field in fields], np.float64)
