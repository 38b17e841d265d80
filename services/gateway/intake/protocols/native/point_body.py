"""What a client may say of a point, and how a refusal names the field that does not fit.

Times are milliseconds UTC or RFC 3339. The law: a refusal holds nothing of what was in the field.
"""

import re
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.gateway.intake.columns.json import Instant
from services.gateway.intake.domain.admission import Rejection

ABSENT = msgspec.Raw(b"")
"""Labels that were not given."""

NO_VALUE = "must be given, a number below 1e308"
"""What is said of a point with neither a value nor a histogram."""


class Histogram(msgspec.Struct, gc=False):
    """How many values lay in each bucket; the first and the last are open-ended."""

    bounds: list[float]
    """Upper ends of all buckets but the last, ascending."""
    counts: list[float]
    """One more than bounds."""


class Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A gauge with all its fields in their usual types: what most bodies hold, and the fastest to decode."""

    name: str
    value: float
    ts: int
    labels: msgspec.Raw


class Point(msgspec.Struct, gc=False):
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
    histogram: Histogram | UnsetType = UNSET


class PlainBody(msgspec.Struct, gc=False):
    """A body of plain points."""

    points: list[Plain]


class Body(msgspec.Struct, gc=False):
    """A body of any points."""

    points: list[Point]


class RawBody(msgspec.Struct, gc=False):
    """A body whose points are looked at one by one."""

    points: list[msgspec.Raw]


_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")
_INSTANT = "must be integer milliseconds or RFC 3339 with a zone"
_MUST = {
    "name": "must be given, a string",
    "value": NO_VALUE,
    "ts": _INSTANT,
    "kind": "must be 'gauge', 'delta' or 'cumulative'",
    "unit": "must be a string",
    "weight": "must be a number",
    "sample_rate": "must be a number",
    "start_ts": _INSTANT,
    "distinct": "must be a string",
    "histogram": "must be an object of two lists of numbers, bounds and counts",
}


def misfit(index: int, problem: str) -> Rejection:
    """A refusal that names the field and not what was in it."""
    found = _FIELD.search(problem)
    field = next((name for name in found.groups() if name), "") if found else ""
    if field in Histogram.__struct_fields__:
        field = "histogram"
    if field not in _MUST:
        return Rejection(index, "invalid_point", "point: must be an object with name and value")
    return Rejection(index, f"invalid_{field}", f"{field}: {_MUST[field]}")
