"""Tidegauge's own JSON body, `{"points": [{"name", "value", "ts", "labels", ...}]}`, to columns.

Three ways, each for what the one before could not take: four plain fields, all fields, one point at a time. Times are
milliseconds UTC. The law: all ways admit the same points; columns are built without a Python loop over points.
"""

from dataclasses import dataclass
from operator import attrgetter

import msgspec
import numpy as np

from services.gateway.intake.columns.histograms import Buckets, buckets_of, expanded
from services.gateway.intake.columns.interner import Interner
from services.gateway.intake.columns.json import BROKEN, malformed
from services.gateway.intake.columns.optional import complete
from services.gateway.intake.columns.points import Columns, kinds_of, times_of
from services.gateway.intake.domain.admission import Rejection, refusals, without
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.protocols.native.point_body import Body, PlainBody, Point, RawBody, misfit
from shared.errors import Rejected
from shared.model.bound import Bound
from shared.model.point import Points

GAUGE = [("gauge", "")]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request as columns, and the points that are not in them."""

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


_plain = msgspec.json.Decoder(PlainBody)
_body = msgspec.json.Decoder(Body)
_raw_body = msgspec.json.Decoder(RawBody)
_point = msgspec.json.Decoder(Point)


class Decoder:
    """Decodes bodies and keeps the numbers of series between them."""

    def __init__(self, max_points: int, max_series: int, series_limiter: SeriesLimiter | None = None) -> None:
        self._max_points = max_points
        self._max_series = max_series
        self._active = series_limiter or SeriesLimiter()
        self._interner = Interner(max_series, self._active)
        self._forgotten = 0

    def bound(self) -> Bound:
        """Series and spellings that are remembered; those of a full memory are forgotten together."""
        return Bound(
            "series", "entries", self._max_series, lambda: self._interner.size, lambda: self._forgotten
        )

    def nothing(self) -> Decoded:
        """A request without points."""
        empty = Points(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))
        return Decoded(self._interner, empty, [])

    def decode(self, body: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        """The columns of a body; raise `Rejected` when there is nothing to take point by point."""
        if self._interner.full():
            self._forgotten += self._interner.size
            self._interner = Interner(self._max_series, self._active)
        try:
            rows = _plain.decode(body).points
            ts_ms = np.fromiter([row.ts for row in rows], np.int64, len(rows))
        except (msgspec.ValidationError, OverflowError):
            return self._decode_any(body, tenant_id, received_at_ms)
        except BROKEN as error:
            raise malformed(error) from error
        self.check_size(len(rows))
        columns = Columns(rows, GAUGE, ts_ms)
        return self._admit(columns, [], tenant_id, received_at_ms)

    def check_size(self, points: int) -> None:
        """Raise `Rejected` for a request of no points, or of too many."""
        if points > self._max_points:
            raise Rejected("too_many_points", f"points: at most {self._max_points} a request")
        if not points:
            raise Rejected("no_points", "points: must not be empty")

    def _decode_any(self, body: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        try:
            rows = _body.decode(body).points
            index: list[int] | None = None
            rejected: list[Rejection] = []
        except msgspec.ValidationError:
            rows, index, rejected = self._one_by_one(body)
        except BROKEN as error:
            raise malformed(error) from error
        self.check_size(len(rows) + len(rejected))
        columns = Columns(rows, kinds_of(rows), times_of(rows, received_at_ms))
        columns.index = index
        columns.timed = None not in [row.ts for row in rows]
        columns.refused = complete(columns, rows)
        columns.buckets, refused = buckets_of(rows, columns.weight)
        columns.refused += refused
        return self._admit(columns, rejected, tenant_id, received_at_ms)

    def _one_by_one(self, body: bytes) -> tuple[list[Point], list[int], list[Rejection]]:
        try:
            raws = _raw_body.decode(body).points
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "points: must be given, a list of objects") from error
        except BROKEN as error:
            raise malformed(error) from error
        self.check_size(len(raws))
        rows: list[Point] = []
        index: list[int] = []
        rejected: list[Rejection] = []
        for at, raw in enumerate(raws):
            try:
                rows.append(_point.decode(raw))
                index.append(at)
            except msgspec.ValidationError as error:
                rejected.append(misfit(at, str(error)))
            except BROKEN as error:
                raise malformed(error) from error
        return rows, index, rejected

    def _admit(
        self, columns: Columns, rejected: list[Rejection], tenant_id: int, received_at_ms: int
    ) -> Decoded:
        """Look the series up, then leave out what may not enter."""
        known = self._interner.spellings(tenant_id, received_at_ms)
        slots, strangers = columns.slots(self._interner, known)
        points = columns.points(slots)
        found = strangers + refusals(points, received_at_ms) + columns.refused
        if not found and columns.buckets is None:
            return Decoded(self._interner, points, rejected, 0, columns.timed, known.overflowed(slots))
        first: dict[int, Rejection] = {}
        for bad in found:
            first.setdefault(bad.index, bad)
        places = columns.index or range(len(slots))
        rejected += [Rejection(places[row], bad.code, bad.message) for row, bad in first.items()]
        admitted = _without(points, columns.buckets, list(first))
        surplus = len(admitted) - len(points) + len(first)
        rejected.sort(key=attrgetter("index"))
        overflowed = known.overflowed(np.delete(slots, list(first)))
        return Decoded(self._interner, admitted, rejected, surplus, columns.timed, overflowed)


def _without(points: Points, buckets: Buckets | None, refused: list[int]) -> Points:
    return without(points, refused) if buckets is None else expanded(points, buckets, refused)
