"""Columns of points to what may enter: series get their numbers, and points that may not enter are refused by index.

The same for all protocols. A series is looked up by its name and the bytes of its labels; only a new one costs more.
Times are milliseconds UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.contract import PointColumns, RequestColumns
from services.gateway.intake.columns.histograms import expanded
from services.gateway.intake.columns.interner import Interner, Spellings, fingerprints
from services.gateway.intake.domain.admission import Rejection, refusals, without
from services.gateway.intake.domain.series_limit import SeriesLimiter
from shared.errors import Rejected
from shared.model.bound import Bound
from shared.model.point import Points


@dataclass(frozen=True, slots=True)
class AdmittedPoints:
    """The points of a request that may enter, and those that may not."""

    catalogue: Interner
    """What `points.slot` points into."""
    points: Points
    """The admitted points in their order, a histogram as a row for each bucket."""
    rejected: list[Rejection]
    """The others, by index."""
    surplus: int = 0
    """Rows less points: histograms have several, and none if all their buckets are empty."""
    timed: bool = True
    """Every point bears its own time, so that the same body posted again means the same points."""
    overflowed: int = 0
    """Points that count into overflow series."""


class PointAdmission:
    """Admits points and keeps the numbers of series between requests."""

    def __init__(self, max_series: int, series_limiter: SeriesLimiter | None = None) -> None:
        self._max_series = max_series
        self._active = series_limiter or SeriesLimiter()
        self._interner = Interner(max_series, self._active)
        self._forgotten = 0

    def bound(self) -> Bound:
        """Series and spellings that are remembered; those of a full memory are forgotten together."""
        return Bound(
            "series", "entries", self._max_series, lambda: self._interner.size, lambda: self._forgotten
        )

    def admit(self, decoded: RequestColumns, tenant_id: int, received_at_ms: int) -> AdmittedPoints:
        """The points of a request; look the series up, then leave out what may not enter."""
        columns = decoded.points
        if columns is None or not len(columns.ts_ms):
            empty = Points(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))
            return AdmittedPoints(self._interner, empty, decoded.refused)
        if self._interner.full():
            self._forgotten += self._interner.size
            self._interner = Interner(self._max_series, self._active)
        known = self._interner.spellings(tenant_id, received_at_ms)
        slots, strangers = self._slots(columns, known)
        points = Points(
            slots, columns.ts_ms, columns.value, columns.weight, columns.start_ms, columns.distinct
        )
        found = [*strangers, *refusals(points, received_at_ms), *columns.refused]
        if found or columns.histogram is not None:
            return self._left(decoded.refused, columns, points, found, known)
        overflowed = known.overflowed(slots)
        return AdmittedPoints(self._interner, points, decoded.refused, 0, columns.timed, overflowed)

    def _left(
        self,
        refused: list[Rejection],
        columns: PointColumns,
        points: Points,
        found: list[Rejection],
        known: Spellings,
    ) -> AdmittedPoints:
        """What is left when the refused rows are taken out; of several refusals of a row the first is told."""
        first: dict[int, Rejection] = {}
        for bad in found:
            first.setdefault(bad.index, bad)
        index = columns.index or range(len(points))
        rejected = refused + [Rejection(index[row], bad.code, bad.message) for row, bad in first.items()]
        rejected.sort(key=attrgetter("index"))
        rows = list(first)
        left = (
            without(points, rows) if columns.histogram is None else expanded(points, columns.histogram, rows)
        )
        surplus = len(left) - len(points) + len(rows)
        overflowed = known.overflowed(np.delete(points.slot, rows))
        return AdmittedPoints(self._interner, left, rejected, surplus, columns.timed, overflowed)

    def _slots(self, columns: PointColumns, known: Spellings) -> tuple[NDArray[np.int32], list[Rejection]]:
        """The number of every row's series, 0 for rows whose series is refused, and the refusals."""
        try:
            return np.fromiter(_series_numbers(columns, known), np.int32, len(columns.ts_ms)), []
        except TypeError:  # a None: some series is new
            return self._introduce(columns, known, list(_series_numbers(columns, known)))

    def _introduce(
        self, columns: PointColumns, known: Spellings, series_numbers: list[int | None]
    ) -> tuple[NDArray[np.int32], list[Rejection]]:
        """Number the series seen for the first time; a bad one is remembered for this request only."""
        rejected: list[Rejection] = []
        seen: dict[tuple[str | bytes, ...], int | Rejected] = {}
        for row, number in enumerate(series_numbers):
            if number is not None:
                continue
            kind = columns.kinds[row if len(columns.kinds) > 1 else 0]
            spelling = columns.name[row], columns.labels[row]
            key = (*kind, spelling[0], bytes(spelling[1]))
            if key not in seen:
                try:
                    seen[key] = self._interner.add(known, kind, spelling, partial(columns.labels_of, row))
                except Rejected as problem:
                    seen[key] = problem
            verdict = seen[key]
            if isinstance(verdict, Rejected):
                rejected.append(Rejection(row, verdict.code, verdict.message))
            else:
                series_numbers[row] = verdict
        return np.array([number or 0 for number in series_numbers], np.int32), rejected


def _series_numbers(columns: PointColumns, known: Spellings) -> Iterator[int | None]:
    keys = zip(columns.name, fingerprints(columns.labels), strict=True)
    if len(columns.kinds) == 1:
        return map(known.page(*columns.kinds[0]).get, keys)
    pages = [known.page(*kind) for kind in columns.kinds]
    return (page.get(key) for page, key in zip(pages, keys, strict=True))
