"""Tidegauge's own JSON body, `{"points": [{"name", "value", "ts", "labels", "kind", "unit", "weight"}]}`, to columns.

Three ways, each for what the one before could not take: four plain fields, all fields, one point at a time. Times are
milliseconds UTC. The law: all ways admit the same points; columns are built without a Python loop over points.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.gateway.adapters.decoders.interner import Interner, fingerprints
from services.gateway.adapters.decoders.json import BROKEN, Instant, malformed, time_of
from services.gateway.domain.admission import Rejection, refusals, without
from shared.errors import Rejected
from shared.model.point import Points

ABSENT = msgspec.Raw(b"")
GAUGE = [("gauge", "")]
UNWEIGHTED = {1.0}


class Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A gauge with all its fields in their usual types: what most bodies hold, and the fastest to decode."""

    name: str
    value: float
    ts: int
    labels: msgspec.Raw


class Point(msgspec.Struct, gc=False):
    """A point with everything that a client may say."""

    name: str
    value: float
    ts: int | Instant | None = None
    labels: msgspec.Raw = ABSENT
    kind: Literal["gauge", "delta", "cumulative"] = "gauge"
    unit: str = ""
    weight: float = 1.0


class PlainBody(msgspec.Struct, gc=False):
    """A body of plain points."""

    points: list[Plain]


class Body(msgspec.Struct, gc=False):
    """A body of any points."""

    points: list[Point]


class RawBody(msgspec.Struct, gc=False):
    """A body whose points are looked at one by one."""

    points: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request as columns, and the points that are not in them."""

    catalogue: Interner
    """What `points.slot` points into."""
    points: Points
    """The admitted points in their order."""
    rejected: list[Rejection]
    """The others, by index."""


_plain = msgspec.json.Decoder(PlainBody)
_body = msgspec.json.Decoder(Body)
_raw_body = msgspec.json.Decoder(RawBody)
_point = msgspec.json.Decoder(Point)
_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")
_MUST = {
    "name": "must be given, a string",
    "value": "must be given, a number below 1e308",
    "ts": "must be integer milliseconds or RFC 3339 with a zone",
    "kind": "must be 'gauge' or 'delta'",
    "unit": "must be a string",
    "weight": "must be a number",
}


class Decoder:
    """Decodes bodies and keeps the numbers of series between them."""

    def __init__(self, max_points: int, max_series: int) -> None:
        self._max_points = max_points
        self._max_series = max_series
        self._interner = Interner(max_series)

    def nothing(self) -> Decoded:
        """A request without points."""
        empty = Points(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))
        return Decoded(self._interner, empty, [])

    def decode(self, body: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        """The columns of a body; raise `Rejected` when there is nothing to take point by point."""
        if self._interner.full():
            self._interner = Interner(self._max_series)
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
        columns = Columns(rows, _kinds(rows), _times(rows, received_at_ms))
        columns.index = index
        weights = [row.weight for row in rows]
        if set(weights) != UNWEIGHTED:
            columns.weight = np.array(weights, np.float64)
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
                rejected.append(_misfit(at, str(error)))
            except BROKEN as error:
                raise malformed(error) from error
        return rows, index, rejected

    def _admit(
        self, columns: "Columns", rejected: list[Rejection], tenant_id: int, received_at_ms: int
    ) -> Decoded:
        """Look the series up, then leave out what may not enter."""
        slots, strangers = columns.slots(self._interner, tenant_id)
        points = Points(slots, columns.ts_ms, columns.value, columns.weight)
        found = strangers + refusals(points, received_at_ms)
        if not found:
            return Decoded(self._interner, points, rejected)
        first: dict[int, Rejection] = {}
        for bad in found:
            first.setdefault(bad.index, bad)
        places = columns.index or range(len(slots))
        rejected += [Rejection(places[row], bad.code, bad.message) for row, bad in first.items()]
        return Decoded(
            self._interner, without(points, list(first)), sorted(rejected, key=attrgetter("index"))
        )


class Columns:
    """The fields of rows, taken out with as few passes as possible."""

    __slots__ = ("_kinds", "_rows", "index", "ts_ms", "value", "weight")

    def __init__(self, rows: Sequence[Any], kinds: list[tuple[str, str]], ts_ms: NDArray[np.int64]) -> None:
        self._rows = rows
        self._kinds = kinds
        self.ts_ms = ts_ms
        self.value = np.frombuffer(array("d", [row.value for row in rows]), np.float64)
        self.weight: NDArray[np.float64] | None = None
        self.index: list[int] | None = None

    def slots(self, interner: Interner, tenant_id: int) -> tuple[NDArray[np.int32], list[Rejection]]:
        """The number of every row's series, 0 for rows whose series is refused, and the refusals."""
        try:
            return np.fromiter(self._numbers(interner, tenant_id), np.int32, len(self._rows)), []
        except TypeError:  # a None: some series is new
            return self._introduce(interner, tenant_id, list(self._numbers(interner, tenant_id)))

    def _numbers(self, interner: Interner, tenant_id: int) -> Iterator[int | None]:
        rows = self._rows
        keys = zip([row.name for row in rows], fingerprints([row.labels for row in rows]), strict=True)
        if len(self._kinds) == 1:
            return map(interner.page(tenant_id, *self._kinds[0]).get, keys)
        pages = [interner.page(tenant_id, *kind) for kind in self._kinds]
        return (page.get(key) for page, key in zip(pages, keys, strict=True))

    def _introduce(
        self, interner: Interner, tenant_id: int, numbers: list[int | None]
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
                    seen[key] = interner.add((tenant_id, *kind), row.name, row.labels)
                except Rejected as problem:
                    seen[key] = problem
            verdict = seen[key]
            if isinstance(verdict, Rejected):
                rejected.append(Rejection(at, verdict.code, verdict.message))
            else:
                numbers[at] = verdict
        return np.array([number or 0 for number in numbers], np.int32), rejected


def _kinds(rows: Sequence[Point]) -> list[tuple[str, str]]:
    """Kind and unit of every row, or the one pair that all share."""
    kinds, units = {row.kind for row in rows}, {row.unit for row in rows}
    if len(kinds) == len(units) == 1:
        return [(kinds.pop(), units.pop())]
    return [(row.kind, row.unit) for row in rows]


def _times(rows: Sequence[Point], received_at_ms: int) -> NDArray[np.int64]:
    try:
        return np.fromiter([row.ts for row in rows], np.int64, len(rows))
    except (TypeError, OverflowError):
        return np.fromiter([time_of(row.ts, received_at_ms) for row in rows], np.int64, len(rows))


def _misfit(index: int, problem: str) -> Rejection:
    """A refusal that names the field and not what was in it."""
    found = _FIELD.search(problem)
    field = next((name for name in found.groups() if name), "") if found else ""
    if field not in _MUST:
        return Rejection(index, "invalid_point", "point: must be an object with name and value")
    return Rejection(index, f"invalid_{field}", f"{field}: {_MUST[field]}")
