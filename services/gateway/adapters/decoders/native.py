"""Tidegauge's own JSON body, `{"points": [{"name", "value", "ts", "labels", "kind", "unit", "weight"}]}`, to columns.

Three ways, each for what the one before could not take: four plain fields, all fields, one point at a time. Times are
milliseconds UTC. The law: all ways admit the same points; columns are built without a Python loop over points.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.gateway.adapters.decoders.interner import Interner, fingerprint
from services.gateway.domain.admission import Rejection, refusals, without
from shared.errors import Rejected
from shared.model.point import Points

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
ABSENT = msgspec.Raw(b"")


class Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A gauge with all its fields in their usual types: what most bodies hold, and the fastest to decode."""

    name: str
    value: float
    ts: float
    labels: msgspec.Raw


class Point(msgspec.Struct, gc=False):
    """A point with everything that a client may say."""

    name: str
    value: float
    ts: float | Instant | None = None
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
_labels = attrgetter("labels")
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

    def decode(self, body: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        """The columns of a body; raise `Rejected` when there is nothing to take point by point."""
        if self._interner.full():
            self._interner = Interner(self._max_series)
        try:
            rows: Sequence[Plain] | Sequence[Point] = _plain.decode(body).points
            plain = True
        except msgspec.ValidationError:
            plain = False
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from error
        if plain:
            self._check_size(len(rows))
            columns = _Columns(rows, [("gauge", "")], np.fromiter([row.ts for row in rows], np.float64, len(rows)))
            return self._admit(columns, None, [], tenant_id, received_at_ms)
        return self._decode_any(body, tenant_id, received_at_ms)

    def _decode_any(self, body: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        try:
            rows = _body.decode(body).points
            index, rejected = None, []
        except msgspec.ValidationError:
            rows, index, rejected = self._one_by_one(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from error
        self._check_size(len(rows) + len(rejected))
        kinds = list(zip([row.kind for row in rows], [row.unit for row in rows], strict=True))
        if len(set(kinds)) == 1:
            kinds = kinds[:1]
        columns = _Columns(rows, kinds, _times(rows, received_at_ms))
        weight = np.fromiter([row.weight for row in rows], np.float64, len(rows))
        if not (weight == 1.0).all():
            columns.weight = weight
        return self._admit(columns, index, rejected, tenant_id, received_at_ms)

    def _one_by_one(self, body: bytes) -> tuple[list[Point], list[int], list[Rejection]]:
        try:
            raws = _raw_body.decode(body).points
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "points: must be given, a list of objects") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from error
        self._check_size(len(raws))
        rows: list[Point] = []
        index: list[int] = []
        rejected: list[Rejection] = []
        for at, raw in enumerate(raws):
            try:
                rows.append(_point.decode(raw))
                index.append(at)
            except msgspec.ValidationError as error:
                rejected.append(_misfit(at, str(error)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise _malformed(error) from error
        return rows, index, rejected

    def _check_size(self, points: int) -> None:
        if points > self._max_points:
            raise Rejected("too_many_points", f"points: at most {self._max_points} a request")
        if not points:
            raise Rejected("no_points", "points: must not be empty")

    def _admit(
        self, columns: "_Columns", index: list[int] | None, rejected: list[Rejection], tenant_id: int, received_at_ms: int
    ) -> Decoded:
        """Look the series up, then leave out what may not enter."""
        slots, strangers = columns.slots(self._interner, tenant_id)
        ts_ms = columns.ts.astype(np.int64)
        points = Points(slots, ts_ms, columns.value, columns.weight)
        found = strangers + refusals(points, received_at_ms)
        if (ts_ms != columns.ts).any():
            found += [Rejection(row, "invalid_ts", f"ts: {_MUST['ts']}") for row in np.flatnonzero(ts_ms != columns.ts)]
        if not found:
            return Decoded(self._interner, points, rejected)
        first: dict[int, Rejection] = {}
        for rejection in found:
            first.setdefault(int(rejection.index), rejection)
        points = without(points, list(first))
        places = index if index is not None else range(len(slots))
        rejected += [Rejection(places[row], bad.code, bad.message) for row, bad in first.items()]
        return Decoded(self._interner, points, sorted(rejected, key=attrgetter("index")))


class _Columns:
    """The fields of rows, taken out with as few passes as possible."""

    __slots__ = ("_kinds", "_rows", "ts", "value", "weight")

    def __init__(self, rows: Sequence[Any], kinds: list[tuple[str, str]], ts: NDArray[np.float64]) -> None:
        self._rows = rows
        self._kinds = kinds
        # A time beyond any sense must not overflow when it becomes an integer.
        self.ts = np.clip(ts, -4e18, 4e18)
        self.value = np.fromiter([row.value for row in rows], np.float64, len(rows))
        self.weight: NDArray[np.float64] | None = None

    def slots(self, interner: Interner, tenant_id: int) -> tuple[NDArray[np.int32], list[Rejection]]:
        """The number of every row's series, 0 for rows whose series is refused, and the refusals."""
        rows = self._rows
        keys = zip([row.name for row in rows], map(fingerprint, map(_labels, rows)), strict=True)
        if len(self._kinds) == 1:
            numbers = list(map(interner.page(tenant_id, *self._kinds[0]).get, keys))
        else:
            pages = [interner.page(tenant_id, *kind) for kind in self._kinds]
            numbers = [page.get(key) for page, key in zip(pages, keys, strict=True)]
        if None not in numbers:
            return np.array(numbers, np.int32), []
        return self._introduce(interner, tenant_id, numbers)

    def _introduce(
        self, interner: Interner, tenant_id: int, numbers: list[int | None]
    ) -> tuple[NDArray[np.int32], list[Rejection]]:
        """Number the series seen for the first time; a bad one is remembered for this request only."""
        rejected: list[Rejection] = []
        seen: dict[tuple[str, str, str, int], int | Rejected] = {}
        for at, number in enumerate(numbers):
            if number is not None:
                continue
            row, kind = self._rows[at], self._kinds[at if len(self._kinds) > 1 else 0]
            key = (*kind, row.name, fingerprint(row.labels))
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


def _times(rows: Sequence[Point], received_at_ms: int) -> NDArray[np.float64]:
    times = [row.ts for row in rows]
    if any(isinstance(ts, datetime) for ts in times):
        times = [(ts - EPOCH) // MILLISECOND if isinstance(ts, datetime) else ts for ts in times]
    column = np.array(times, np.float64)
    # numpy makes None a NaN, which no JSON can hold: it is the absent time.
    return np.where(np.isnan(column), float(received_at_ms), column)


def _misfit(index: int, problem: str) -> Rejection:
    """A refusal that names the field and not what was in it."""
    found = _FIELD.search(problem)
    field = next((name for name in found.groups() if name), "") if found else ""
    if field not in _MUST:
        return Rejection(index, "invalid_point", "point: must be an object with name and value")
    return Rejection(index, f"invalid_{field}", f"{field}: {_MUST[field]}")


def _malformed(error: Exception) -> Rejected:
    if isinstance(error, RecursionError):
        return Rejected("malformed_json", "body: nested too deeply")
    return Rejected("malformed_json", "body: must be one JSON document in UTF-8")
