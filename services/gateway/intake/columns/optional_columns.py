"""The columns that few points need: weights, sample rates, starts of running totals, and strings to be counted.

Each function takes the fields of all rows and returns the column with the refusals by row. Times are milliseconds UTC.
Invariant: a column is None where no row needs it, and what cannot be stored is refused point by point.
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
from services.gateway.intake.domain.admission import Mask, Rejection, refused
from shared.model.point import MAX_WEIGHT

MAX_DISTINCT_BYTES = 1024
"""Longest string to be counted."""

RATE_RANGE = f"sample_rate: must be {1 / MAX_WEIGHT:g} to 1"
ONE_WEIGHT = "sample_rate: not together with weight or kind cumulative"
NO_WEIGHT = "weight: not together with kind cumulative"
START_RANGE = "start_ts: must be neither before 1970 nor after ts"
DISTINCT_LENGTH = f"distinct: must be 1 to {MAX_DISTINCT_BYTES} bytes"
DISTINCT_ALONE = "distinct: not together with a histogram or kind cumulative"

Floats = NDArray[np.float64]


def weight_column(weights: Sequence[object], total: Mask) -> tuple[Floats, list[Rejection]]:
    """Weights as they were given; running totals (`total`) have none."""
    return numbers(weights), refused(marked_rows(total & ~absent(weights)), "invalid_weight", NO_WEIGHT)


def sampled_weights(
    weight: Floats | None, rates: Sequence[object], weighted: Mask
) -> tuple[Floats, list[Rejection]]:
    """The weights, filled in by sample rates: one point in so many was sent, so each stands for as many.

    Rows in `weighted` have a weight of their own, or may have none.
    """
    rate = numbers(rates)
    unfit = ~((rate >= 1 / MAX_WEIGHT) & (rate <= 1))
    stands_for = 1 / np.where(unfit, 1.0, rate)
    return stands_for if weight is None else np.where(weighted, weight, stands_for), [
        *refused(marked_rows(unfit), "sample_rate_out_of_range", RATE_RANGE),
        *refused(marked_rows(weighted & ~absent(rates)), "invalid_sample_rate", ONE_WEIGHT),
    ]


def start_column(
    starts: Sequence[int | datetime | None], total: Mask, ts_ms: NDArray[np.int64]
) -> tuple[NDArray[np.int64] | None, list[Rejection]]:
    """Only running totals have a start; elsewhere it is of no consequence."""
    start_ms = np.fromiter([time_of(start, 0) for start in starts], np.int64, len(starts)) * total
    refusals = refused(marked_rows((start_ms < 0) | (start_ms > ts_ms)), "invalid_start_ts", START_RANGE)
    return start_ms if start_ms.any() else None, refusals


def distinct_column(
    texts: Sequence[str | UnsetType], fit: Mask
) -> tuple[NDArray[np.uint64], list[Rejection]]:
    """Hashes of the strings; rows that are not in `fit` may have none."""
    given = ~absent(texts)
    strings = [b"" if isinstance(text, UnsetType) else text.encode() for text in texts]
    sizes = np.fromiter(map(len, strings), np.int64, len(strings))
    wrong_size = given & ((sizes < 1) | (sizes > MAX_DISTINCT_BYTES))
    # 0 says that there is no string, so the one string that hashes to it shares its hash with another.
    return np.array([max(1, xxh3_64_intdigest(each)) for each in strings], np.uint64) * given, [
        *refused(marked_rows(wrong_size), "invalid_distinct", DISTINCT_LENGTH),
        *refused(marked_rows(given & ~fit), "invalid_distinct", DISTINCT_ALONE),
    ]


def stream_id(told_apart_by: bytes) -> int:
    """What a stream of running totals is told apart by within its series, as `PointColumns.stream` has it.

    The bytes must be the same whenever and by whichever gateway the stream is read.
    """
    # 0 says that nothing tells it apart.
    return max(1, xxh3_64_intdigest(told_apart_by))


def marked_rows(mask: Mask) -> list[int]:
    """The rows where the mask is true."""
    return np.flatnonzero(mask).tolist()


def is_given(fields: Sequence[Any]) -> bool:
    """Whether any row has the field."""
    return fields.count(UNSET) < len(fields)


def absent(fields: Sequence[object]) -> Mask:
    """Which rows lack the field."""
    return np.fromiter([field is UNSET for field in fields], np.bool_, len(fields))


def numbers(fields: Sequence[Any]) -> Floats:
    """The fields, 1 where there is none."""
    try:
        return np.frombuffer(array("d", fields), np.float64)
    except TypeError:
        return np.array([1.0 if field is UNSET else field for field in fields], np.float64)
