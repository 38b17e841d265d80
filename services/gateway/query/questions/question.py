"""A question of one metric, as it is asked in JSON: checked, with every refusal at its place. Pure.

Times are milliseconds UTC inside. A question says which series, in which groups and windows, in which figures.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from services.gateway.query.questions import calendar
from services.gateway.query.questions.calendar import SPAN_MS, Windows, time_of, zone_of
from services.gateway.query.questions.figures import figure
from services.gateway.query.questions.figures.figure import Figure
from services.gateway.query.questions.selection import Matcher, Selection
from shared.errors import Rejected
from shared.model.series import KINDS, MAX_METRIC_BYTES, MAX_UNIT_BYTES

MAX_QUESTIONS = 20
"""Questions of one request."""

MAX_SERIES = 500
"""Groups that are answered one by one; the others are put together as the rest."""

MAX_LABELS = 8
"""Labels to group by."""

MAX_CONDITIONS = 20
"""Conditions of `where`."""

MAX_FIGURES = 20
"""Figures of one question."""

_Text = Annotated[str, msgspec.Meta(max_length=1_000)]


class Top(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The groups that are answered one by one."""

    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_SERIES)]
    of: _Text = "count"


class QuestionBody(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from", "until": "to"}
):
    """What a client writes."""

    metric: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_METRIC_BYTES)]
    id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    kind: str = ""
    unit: Annotated[str, msgspec.Meta(max_length=MAX_UNIT_BYTES)] | None = None
    figures: Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=MAX_FIGURES)] = msgspec.field(
        default_factory=lambda: ["count"], name="aggregates"
    )
    where: Annotated[list[_Text], msgspec.Meta(max_length=MAX_CONDITIONS)] = []
    by: Annotated[list[_Text], msgspec.Meta(max_length=MAX_LABELS)] = []
    top: Top | None = None
    resolution: _Text = "auto"
    compare: _Text = ""
    live: bool = True
    min_samples: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] = 0
    tz: _Text = ""
    since: _Text | int = ""
    until: _Text | int = ""


class AskBody(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from", "until": "to"}
):
    """Questions with what they have in common."""

    questions: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_QUESTIONS)]
    tz: _Text = "UTC"
    since: _Text | int = "now-1h"
    until: _Text | int = "now"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question that can be answered."""

    id: str
    selection: Selection
    figures: tuple[Figure, ...]
    windows: Windows
    top: int
    """How many groups are answered one by one."""
    top_of: Figure | None
    """By what they are ranked; None: they stand in the order of their labels, if they are few enough."""
    compare: str
    """As it was asked for, empty: with nothing."""
    compared: Windows | None
    live: bool
    min_samples: int


class Refused(Rejected):
    """A question that is refused at a place in it, with what may be asked instead.

    `pointer` is the place as JSON Pointer writes it, such as /by/0; `instead` holds fields that would be answered.
    """

    def __init__(
        self,
        code: str,
        message: str,
        pointer: str,
        instead: dict[str, Any] | None = None,
        *,
        status: int = 400,
    ) -> None:
        super().__init__(code, message)
        self.pointer = pointer
        self.instead = instead or {}
        self.status = status


def question(
    body: QuestionBody, common: AskBody, tenant_id: int, now_ms: int, archived: Mapping[int, int] = {}
) -> Question:
    """The question; raise `Refused`. `archived` says by tier since when the archive has all rows."""
    with _at("/tz"):
        zone = zone_of(body.tz or common.tz)
    with _at("/from"):
        from_ms = time_of("from", body.since if body.since != "" else common.since, zone, now_ms)
    with _at("/to"):
        to_ms = time_of("to", body.until if body.until != "" else common.until, zone, now_ms)
    if to_ms - from_ms > (most_ms := calendar.MAX_RANGE_MS):
        with _at("/from", {"from": to_ms - most_ms}):
            calendar.check_range(from_ms, to_ms)
    with _at("/resolution"):
        calendar.check_range(from_ms, to_ms)
        windows = calendar.windows(from_ms, to_ms, body.resolution, zone, now_ms, archived=archived)
    asked = []
    for place, text in enumerate(body.figures):
        with _at(f"/aggregates/{place}"):
            asked.append(figure.parsed(text))
    with _at("/top/of"):
        top_of = figure.parsed(body.top.of) if body.top else None
        if top_of and (not top_of.is_ranked or top_of.share):
            raise Rejected("unknown_aggregate", "top: groups cannot be ranked by this")
    with _at("/compare"):
        compared = _compared(body.compare, windows, zone)
    return Question(
        body.id,
        selection_of(body, tenant_id),
        tuple(asked),
        windows,
        body.top.n if body.top else MAX_SERIES,
        top_of,
        body.compare,
        compared,
        body.live,
        body.min_samples,
    )


def selection_of(body: QuestionBody, tenant_id: int) -> Selection:
    """Which series, in which groups; raise `Refused`."""
    if body.kind not in {"", *KINDS}:
        raise Refused("invalid_kind", f"kind: must be one of {', '.join(KINDS)}", "/kind")
    where = []
    for place, text in enumerate(body.where):
        with _at(f"/where/{place}"):
            where.append(condition(text))
    return Selection(
        tenant_id, body.metric, body.kind or None, body.unit, tuple(where), tuple(sorted(set(body.by)))
    )


class _at:  # noqa: N801 - reads as a preposition
    """Says where in the question a refusal is."""

    def __init__(self, pointer: str, instead: dict[str, Any] | None = None) -> None:
        self._pointer = pointer
        self._instead = instead

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Rejected) and not isinstance(error, Refused):
            raise Refused(error.code, error.message, self._pointer, self._instead) from error


_CONDITION = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)+)"|([^=!~"\s][^=!~"]*?))\s*(!=|!~|=|~|\s(?:not\s+)?in\s*\()(.*)""", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

CONDITION = "label=value, label!=value, label~glob*, label!~glob*, or label in(a,b)"
"""How conditions are written; a label that holds a sign of these stands in double quotes."""


def condition(text: str) -> Matcher:
    """One condition; raise `Rejected` for what is none."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise Rejected("invalid_where", f"where: must be {CONDITION}")
    quoted, plain, operator, value = found.groups()
    label = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
    if "in" in operator:
        if not value.endswith(")"):
            raise Rejected("invalid_where", "where: in( ends with a bracket")
        values = next(csv.reader([value[:-1]], skipinitialspace=True), [""])
        return Matcher(label, "in", tuple(values), negated="not" in operator)
    matcher = Matcher(label, "~" if operator[-1] == "~" else "=", (value,), negated=operator[0] == "!")
    matcher.matches({})
    return matcher


_COMPARE = re.compile(r"([1-9]\d{0,2})([hdw])")


def _compared(text: str, windows: Windows, zone: ZoneInfo) -> Windows | None:
    """The windows to compare with: local dates are moved, then converted, so that a day is a day."""
    if not text:
        return None
    begin_ms = windows.begin_ms
    if text == "previous":
        if windows.resolution in calendar.CALENDAR:
            raise Rejected("invalid_compare", "compare: name the days, such as 7d, where windows are days")
        shift = int(windows.end_ms[-1] - begin_ms[0])
        return _moved(windows, begin_ms - shift, windows.end_ms - shift)
    found = _COMPARE.fullmatch(text)
    if found is None:
        raise Rejected("invalid_compare", "compare: must be previous, or a span such as 1h, 1d, 7d or 4w")
    if found[2] == "h":
        shift = int(found[1]) * SPAN_MS["h"]
        return _moved(windows, begin_ms - shift, windows.end_ms - shift)
    days = timedelta(days=int(found[1]) * (7 if found[2] == "w" else 1))
    if windows.resolution in calendar.CALENDAR:
        edges = np.append(begin_ms, windows.end_ms[-1]).tolist()
        moved = np.array(
            [calendar.wall_ms(calendar.local(edge, zone) - days, zone) for edge in edges], np.int64
        )
        return _moved(windows, moved[:-1], moved[1:])
    first = int(begin_ms[0])
    shift = first - calendar.wall_ms(calendar.local(first, zone) - days, zone)
    shift -= shift % windows.tier_ms
    return _moved(windows, begin_ms - shift, windows.end_ms - shift)


def _moved(windows: Windows, begin_ms: Any, end_ms: Any) -> Windows:
    if begin_ms[0] < 0:
        raise Rejected("invalid_compare", "compare: lies before 1970")
    return Windows(begin_ms, end_ms, windows.tier_ms, windows.resolution, windows.zone)
