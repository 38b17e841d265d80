"""The fields of the points of a body, taken out as columns with as few passes as possible.

Times are milliseconds UTC. The law: a series is looked up by name and raw labels, and only one that is not known costs
more than a look.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from services.gateway.intake.columns.histograms import Buckets
from services.gateway.intake.columns.interner import Interner, Spellings, fingerprints
from services.gateway.intake.columns.json import time_of
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.native.point_body import Point
from shared.errors import Rejected
from shared.model.point import Points


class Columns:
    """The fields of rows; `kinds` has kind and unit of each, or the one pair that all share."""

    __slots__ = (
        "_kinds", "_rows", "buckets", "distinct", "index", "refused", "start_ms", "timed", "ts_ms", "value",
        "valueless", "weight",
    )  # fmt: skip

    def __init__(self, rows: Sequence[Any], kinds: list[tuple[str, str]], ts_ms: NDArray[np.int64]) -> None:
        self._rows = rows
        self._kinds = kinds
        self.ts_ms = ts_ms
        self.valueless = False
        self.value = np.frombuffer(self._values(), np.float64)
        self.weight: NDArray[np.float64] | None = None
        self.start_ms: NDArray[np.int64] | None = None
        self.distinct: NDArray[np.uint64] | None = None
        self.buckets: Buckets | None = None
        self.index: list[int] | None = None
        self.refused: list[Rejection] = []
        self.timed = True

    def points(self, slots: NDArray[np.int32]) -> Points:
        """The points, once their series have numbers."""
        return Points(slots, self.ts_ms, self.value, self.weight, self.start_ms, self.distinct)

    def slots(self, interner: Interner, known: Spellings) -> tuple[NDArray[np.int32], list[Rejection]]:
        """The number of every row's series, 0 for rows whose series is refused, and the refusals."""
        try:
            return np.fromiter(self._numbers(known), np.int32, len(self._rows)), []
        except TypeError:  # a None: some series is new
            return self._introduce(interner, known, list(self._numbers(known)))

    def _values(self) -> "array[float]":
        try:
            return array("d", [row.value for row in self._rows])
        except TypeError:
            self.valueless = True
            return array("d", [0.0 if row.value is UNSET else row.value for row in self._rows])

    def _numbers(self, known: Spellings) -> Iterator[int | None]:
        rows = self._rows
        keys = zip([row.name for row in rows], fingerprints([row.labels for row in rows]), strict=True)
        if len(self._kinds) == 1:
            return map(known.page(*self._kinds[0]).get, keys)
        pages = [known.page(*kind) for kind in self._kinds]
        return (page.get(key) for page, key in zip(pages, keys, strict=True))

    def _introduce(
        self, interner: Interner, known: Spellings, numbers: list[int | None]
    ) -> tuple[NDArray[np.int32], list[Rejection]]:
        """Number the series seen for the first time; a bad one is remembered for this request only."""
        rejected: list[Rejection] = []
        seen: dict[tuple[str | bytes, ...], int | Rejected] = {}
        for at, number in enumerate(numbers):
            if number is not None:
                continue
            row, kind = self._rows[at], self._kinds[at if len(self._kinds) > 1 else 0]
            key = (*kind, row.name, bytes(row.labels))
            if key not in seen:
                try:
                    seen[key] = interner.add(known, kind, row.name, row.labels)
                except Rejected as problem:
                    seen[key] = problem
            verdict = seen[key]
            if isinstance(verdict, Rejected):
                rejected.append(Rejection(at, verdict.code, verdict.message))
            else:
                numbers[at] = verdict
        return np.array([number or 0 for number in numbers], np.int32), rejected


def kinds_of(rows: Sequence[Point]) -> list[tuple[str, str]]:
    """Kind and unit of every row's series, or the one pair that all share."""
    kinds, units = {row.kind for row in rows}, {row.unit for row in rows}
    plain = "cumulative" not in kinds or all(row.histogram is UNSET for row in rows)
    if plain and len(kinds) == len(units) == 1:
        return [(kinds.pop(), units.pop())]
    return [("histogram" if _runs(row) else row.kind, row.unit) for row in rows]


def times_of(rows: Sequence[Point], received_at_ms: int) -> NDArray[np.int64]:
    """Event time of every row; where none was given, when it was received."""
    try:
        return np.fromiter([row.ts for row in rows], np.int64, len(rows))
    except (TypeError, OverflowError):
        return np.fromiter([time_of(row.ts, received_at_ms) for row in rows], np.int64, len(rows))


def _runs(row: Point) -> bool:
    """Whether the row holds running totals bucket by bucket."""
    return row.kind == "cumulative" and row.histogram is not UNSET
