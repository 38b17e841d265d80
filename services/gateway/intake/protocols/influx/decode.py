"""Bodies of InfluxDB's line protocol, to points. Times come in nanoseconds unless the query says otherwise.

A refusal bears the number of its line, from 0. Times are milliseconds UTC. Invariant: a line that cannot be read, or a
field that is no value, harms no other.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qs

import numpy as np

from services.gateway.intake.columns.contract import PointColumns, Request, RequestColumns
from services.gateway.intake.columns.foreign_labels import unpacked
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.influx.lines import Line, Unread, lines_of
from services.gateway.intake.protocols.influx.map import metric_of, tagged, value_of
from shared.errors import Rejected
from shared.wire.envelope import MAX_ROWS

MAX_FIELDS = MAX_ROWS
"""Fields of one request."""

LINES_OF_A_FIELD = 2
"""So many times the fields are the lines of a request at most, empty ones and comments too."""

MALFORMED = "malformed_line"
"""Code of a line that cannot be read."""

GAUGE = [("gauge", "")]

_UNITS_NS = {
    "ns": 1, "n": 1, "us": 1000, "u": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
"""Nanoseconds of each precision, under the names of both versions of the API."""

_NS_PER_MS = 10**6
_FAR_MS = 1 << 62


@dataclass(slots=True, eq=False)
class _Rows:
    name: list[str] = field(default_factory=list)
    labels: list[bytes] = field(default_factory=list)
    ts_ms: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    refused: list[Rejection] = field(default_factory=list)
    timed: bool = True


class InfluxLines:
    """Decodes `POST /api/v2/write` and `POST /write`."""

    def __init__(self, max_fields: int = MAX_FIELDS) -> None:
        self._max_fields = max_fields

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the fields that are values."""
        if request.body.count(b"\n") > LINES_OF_A_FIELD * self._max_fields:
            raise Rejected(
                "too_many_points", f"lines: at most {LINES_OF_A_FIELD * self._max_fields} a request"
            )
        request.expect(request.body.count(b"\n"))
        rows, unit_ns = _Rows(), _precision_ns(request.query)
        looked_at = 0
        for line in lines_of(request.body):
            if isinstance(line, Unread):
                looked_at += 1 + line.fields
                rows.refused.append(Rejection(line.number, MALFORMED, line.message))
            else:
                looked_at += len(line.fields)
                _take(rows, line, _time(line.time, unit_ns, request.received_at_ms))
            if looked_at > self._max_fields:
                raise Rejected("too_many_points", f"fields: at most {self._max_fields} a request")
        columns = PointColumns(
            rows.name,
            rows.labels,
            lambda row: unpacked(rows.labels[row]),
            GAUGE,
            np.array(rows.ts_ms, np.int64),
            np.array(rows.value, np.float64),
            timed=rows.timed,
            index=rows.index,
        )
        return RequestColumns(columns, refused=rows.refused)


def _take(rows: _Rows, line: Line, ts_ms: int) -> None:
    """Add the fields of a line that are values."""
    try:
        measurement, labels = tagged(line.series)
    except Rejected as refusal:
        rows.refused.append(Rejection(line.number, refusal.code, refusal.message))
        return
    rows.timed &= line.time is not None
    for key, spelt in line.fields:
        try:
            name, value = metric_of(measurement, key), value_of(spelt)
        except Rejected as refusal:
            rows.refused.append(Rejection(line.number, refusal.code, refusal.message))
            continue
        rows.name.append(name)
        rows.labels.append(labels)
        rows.ts_ms.append(ts_ms)
        rows.value.append(value)
        rows.index.append(line.number)


def _precision_ns(query: bytes) -> int:
    """The unit of the times; raise `Rejected` for one that is not known."""
    unit = parse_qs(query.decode("latin-1")).get("precision", ["ns"])[-1]
    if unit not in _UNITS_NS:
        raise Rejected("invalid_precision", "precision: must be ns, us, ms, s, m or h")
    return _UNITS_NS[unit]


def _time(time: int | None, unit_ns: int, received_at_ms: int) -> int:
    """Milliseconds; where no time was given, when the line was received."""
    if time is None:
        return received_at_ms
    return max(-_FAR_MS, min(_FAR_MS, time * unit_ns // _NS_PER_MS))
