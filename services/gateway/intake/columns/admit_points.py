"""Columns of points to what may enter: series get their numbers, and points that may not enter are refused by index.

The same for all protocols. A series is looked up by its name and the bytes of its labels; only a new one costs more.
Times are milliseconds UTC.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.contract import PointColumns, RefColumn, RequestColumns, Spelling
from services.gateway.intake.columns.histograms import expanded
from services.gateway.intake.columns.interner import Interner, Spellings, fingerprints
from services.gateway.intake.domain.admission import MINIMUM, Rejection, refusals, without
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.steps import Steps, finished
from shared.errors import Rejected
from shared.model.bound import Bound
from shared.model.point import Points
from shared.wire.series import SeriesId, series_id

STEP_SERIES = 200
"""New series of a step: some milliseconds."""


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

    def __init__(
        self, max_series: int, series_limiter: SeriesLimiter | None = None, id_of: SeriesId = series_id
    ) -> None:
        self._max_series = max_series
        self._active = series_limiter or SeriesLimiter()
        self._id_of = id_of
        self._interner = Interner(max_series, self._active, id_of)
        self._forgotten = 0

    def bound(self) -> Bound:
        """Series and spellings that are remembered; those of a full memory are forgotten together."""
        return Bound(
            "series", "entries", self._max_series, lambda: self._interner.size, lambda: self._forgotten
        )

    def admit(self, decoded: RequestColumns, tenant_id: int, received_at_ms: int) -> AdmittedPoints:
        """The points of a request; look the series up, then leave out what may not enter."""
        return finished(self.steps(decoded, tenant_id, received_at_ms))

    def steps(self, decoded: RequestColumns, tenant_id: int, received_at_ms: int) -> Steps[AdmittedPoints]:
        """The same in steps."""
        columns = decoded.points
        if columns is None or not len(columns.ts_ms):
            empty = Points(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))
            return AdmittedPoints(self._interner, empty, decoded.refused)
        if self._interner.full():
            self._forgotten += self._interner.size
            self._interner = Interner(self._max_series, self._active, self._id_of)
        # Another request may replace both between two steps; these numbers are of this interner.
        catalogue = self._interner
        known = catalogue.spellings(tenant_id, received_at_ms)
        slots, strangers = yield from _slots(columns, known, catalogue)
        points = Points(
            slots,
            columns.ts_ms,
            columns.value,
            columns.weight,
            columns.start_ms,
            columns.distinct,
            columns.stream,
        )
        found = [*strangers, *refusals(points, received_at_ms), *columns.refused]
        if found or columns.histogram is not None:
            return _left(decoded.refused, columns, points, found, (known, catalogue))
        overflowed = known.overflowed(slots)
        return AdmittedPoints(catalogue, points, decoded.refused, 0, columns.timed, overflowed)


def _left(
    refused: list[Rejection],
    columns: PointColumns,
    points: Points,
    found: list[Rejection],
    numbered_by: tuple[Spellings, Interner],
) -> AdmittedPoints:
    """What is left when the refused rows are taken out; of several refusals of a row the first is told."""
    known, catalogue = numbered_by
    first: dict[int, Rejection] = {}
    for bad in found:
        first.setdefault(bad.index, bad)
    index = columns.index or range(len(points))
    rejected = refused + [Rejection(index[row], bad.code, bad.message) for row, bad in first.items()]
    rejected.sort(key=attrgetter("index"))
    rows = list(first)
    left = without(points, rows) if columns.histogram is None else expanded(points, columns.histogram, rows)
    surplus = len(left) - len(points) + len(rows)
    overflowed = known.overflowed(np.delete(points.slot, rows))
    return AdmittedPoints(catalogue, left, rejected, surplus, columns.timed, overflowed)


def _slots(
    columns: PointColumns, known: Spellings, catalogue: Interner
) -> Steps[tuple[NDArray[np.int32], list[Rejection]]]:
    """The number of every row's series, 0 for rows whose series is refused, and the refusals."""
    if columns.refs is not None:
        slots: NDArray[np.int32] = known.numbers_of(columns.refs.table)[columns.refs.places]
        if MINIMUM(slots) >= 0:
            return slots, []
        return (yield from _introduce_refs(columns, columns.refs, known, catalogue))
    try:
        return np.fromiter(_series_numbers(columns, known), np.int32, len(columns.ts_ms)), []
    except TypeError:  # a None: some series is new
        return (yield from _introduce(columns, known, catalogue))


def _introduce_refs(
    columns: PointColumns, refs: RefColumn, known: Spellings, catalogue: Interner
) -> Steps[tuple[NDArray[np.int32], list[Rejection]]]:
    """Number the series that a protocol remembers and that are new here; a bad one is looked at each time it comes."""
    new = np.flatnonzero(known.numbers_of(refs.table)[refs.places] < 0)
    _, first = np.unique(refs.places[new], return_index=True)
    verdicts: dict[int, Rejected] = {}
    for at, row in enumerate(np.sort(new[first]).tolist(), 1):
        place = int(refs.places[row])
        said = columns.kinds[row], (columns.name[row], columns.labels[row])
        try:
            number = _number(known, catalogue, said, partial(columns.labels_of, row))
        except Rejected as problem:
            verdicts[place] = problem
        else:
            known.numbers_of(refs.table)[place] = number
        if not at % STEP_SERIES:
            yield
    slots = known.numbers_of(refs.table)[refs.places]
    rejected = []
    for row in np.flatnonzero(slots < 0).tolist():
        verdict = verdicts[int(refs.places[row])]
        rejected.append(Rejection(row, verdict.code, verdict.message))
    return np.maximum(slots, 0), rejected


def _introduce(
    columns: PointColumns, known: Spellings, catalogue: Interner
) -> Steps[tuple[NDArray[np.int32], list[Rejection]]]:
    """Number the series seen for the first time; a bad one is remembered for this request only."""
    series_numbers = list(_series_numbers(columns, known))
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
                seen[key] = _number(known, catalogue, (kind, spelling), partial(columns.labels_of, row))
            except Rejected as problem:
                seen[key] = problem
            if not len(seen) % STEP_SERIES:
                yield
        verdict = seen[key]
        if isinstance(verdict, Rejected):
            rejected.append(Rejection(row, verdict.code, verdict.message))
            continue
        series_numbers[row] = verdict
    return np.array([number or 0 for number in series_numbers], np.int32), rejected


def _number(
    known: Spellings,
    catalogue: Interner,
    said: tuple[tuple[str, str], tuple[str, Spelling]],
    labels: Callable[[], Mapping[str, str]],
) -> int:
    """The number of a series (kind and unit, name and spelling), which may be known; raise `Rejected`."""
    kind, spelling = said
    (fingerprint,) = fingerprints((spelling[1],))
    number = known.page(*kind).get((spelling[0], fingerprint))
    return catalogue.add(known, kind, spelling, labels) if number is None else number


def _series_numbers(columns: PointColumns, known: Spellings) -> Iterator[int | None]:
    keys = zip(columns.name, fingerprints(columns.labels), strict=True)
    if len(columns.kinds) == 1:
        return map(known.page(*columns.kinds[0]).get, keys)
    pages = [known.page(*kind) for kind in columns.kinds]
    return (page.get(key) for page, key in zip(pages, keys, strict=True))
