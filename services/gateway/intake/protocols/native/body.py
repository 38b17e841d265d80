"""What a client may say in our own JSON, and how a refusal names the field of a point that does not fit.

Times are milliseconds UTC or RFC 3339. Invariant: a refusal holds nothing of what was in the field.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.gateway.intake.columns.event_fields import EventFields
from services.gateway.intake.columns.json import INSTANT, Instant, misfitting_field
from services.gateway.intake.domain.admission import Rejection

ABSENT = msgspec.Raw(b"")
"""Labels that were not given."""

NO_VALUE = "must be given, a number below 1e308"
"""What is said of a point with neither a value nor a histogram."""


class HistogramFields(msgspec.Struct, gc=False):
    """How many values lay in each bucket; the first and the last are open-ended."""

    bounds: list[float]
    """Upper ends of all buckets but the last, ascending."""
    counts: list[float]
    """One more than bounds."""


class PlainPoint(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A gauge with all its fields in their usual types: what most bodies hold, and the fastest to decode."""

    name: str
    value: float
    ts: int
    labels: msgspec.Raw


class PointFields(msgspec.Struct, gc=False):
    """A point with everything that a client may say."""

    name: str
    value: float | UnsetType = UNSET
    ts: int | Instant | None = None
    labels: msgspec.Raw = ABSENT
    kind: Literal["gauge", "delta", "cumulative"] = "gauge"
    unit: str = ""
    weight: float | UnsetType = UNSET
    sample_rate: float | UnsetType = UNSET
    start_ts: int | Instant | None = None
    distinct: str | UnsetType = UNSET
    histogram: HistogramFields | UnsetType = UNSET


class PlainBody(msgspec.Struct, gc=False):
    """A body of plain points."""

    points: list[PlainPoint]


class PointsBody(msgspec.Struct, gc=False):
    """A body of any points."""

    points: list[PointFields]


class RawPoints(msgspec.Struct, gc=False):
    """A body whose points are looked at one by one."""

    points: list[msgspec.Raw]


class KeyField(msgspec.Struct):
    """The field of a body of points that may stand in for the header `Idempotency-Key`."""

    batch_id: str | None = None


class EventsBody(msgspec.Struct, gc=False):
    """A body of events."""

    events: list[EventFields]


class RawEvents(msgspec.Struct, gc=False):
    """A body whose events are looked at one by one."""

    events: list[msgspec.Raw]


_MUST = {
    "name": "must be given, a string",
    "value": NO_VALUE,
    "ts": INSTANT,
    "kind": "must be 'gauge', 'delta' or 'cumulative'",
    "unit": "must be a string",
    "weight": "must be a number",
    "sample_rate": "must be a number",
    "start_ts": INSTANT,
    "distinct": "must be a string",
    "histogram": "must be an object of two lists of numbers, bounds and counts",
}


def point_misfit(index: int, problem: str) -> Rejection:
    """A refusal that names the field and not what was in it."""
    field = misfitting_field(problem)
    if field in HistogramFields.__struct_fields__:
        field = "histogram"
    if field not in _MUST:
        return Rejection(index, "invalid_point", "point: must be an object with name and value")
    return Rejection(index, f"invalid_{field}", f"{field}: {_MUST[field]}")
