"""Columns of events to what may enter: the events as the wire carries them, and the others refused by index.

The same for all protocols. All events of a request are checked in one go; only where that finds something odd, each is
checked by itself. Times are milliseconds UTC. Invariant: both ways admit the same events, and what is admitted can be
decoded and stored downstream.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter

import msgspec
import orjson

from services.gateway.intake.columns.contract import EventColumns, RequestColumns
from services.gateway.intake.columns.event_fields import event_refusal
from services.gateway.intake.domain.admission import Rejection, untimely
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, MAX_PROPERTIES_BYTES, check_depth, may_be_deep
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.events import TEXT, Event, check_step, properties_of

_text = re.compile(TEXT)


@dataclass(frozen=True, slots=True)
class AdmittedEvents:
    """The events of a request that may enter, and those that may not."""

    events: list[Event]
    """The admitted events in their order."""
    rejected: list[Rejection]
    """The others, by index."""


def admit_events(decoded: RequestColumns, tenant_id: int, received_at_ms: int) -> AdmittedEvents:
    """The events of a request; leave out what may not enter."""
    columns = decoded.events
    if columns is None or not columns.event_id:
        return AdmittedEvents([], decoded.refused)
    events = _events(columns, tenant_id)
    if (
        _timely(columns, received_at_ms)
        and (columns.printable or _printable(columns))
        and (_storable(columns.properties) if not columns.flat else not _any_is_large(columns.properties))
    ):
        return AdmittedEvents(events, decoded.refused)
    index = columns.index or range(len(events))
    admitted: list[Event] = []
    rejected: list[Rejection] = list(decoded.refused)
    for place, event in zip(index, events, strict=True):
        refusal = _refusal(place, event, received_at_ms)
        if refusal is None:
            admitted.append(event)
        else:
            rejected.append(refusal)
    rejected.sort(key=attrgetter("index"))
    return AdmittedEvents(admitted, rejected)


def _events(columns: EventColumns, tenant_id: int) -> list[Event]:
    return list(
        map(
            Event,
            repeat(tenant_id),
            columns.event_id,
            columns.type,
            columns.ts_ms,
            columns.name,
            columns.session_id,
            columns.user_id,
            columns.properties,
        )
    )


def _timely(columns: EventColumns, received_at_ms: int) -> bool:
    """Whether all times are as they may be, and no event is a step of a funnel."""
    return (
        FUNNEL_STEP not in columns.type
        and received_at_ms - MAX_LATE_MS <= min(columns.ts_ms)
        and max(columns.ts_ms) <= received_at_ms + MAX_AHEAD_MS
    )


def _printable(columns: EventColumns) -> bool:
    """Whether all texts are; narrower than what is allowed, and ten times as fast as looking for what is not."""
    texts = (
        *columns.event_id, *set(columns.type), *columns.name,
        *filter(None, columns.session_id), *filter(None, columns.user_id),
    )  # fmt: skip
    return "".join(texts).isprintable()


def _storable(properties: Sequence[msgspec.Raw]) -> bool:
    """Whether all properties are objects that a table holds, none of them too large or too deep."""
    joined = b",".join(properties)
    if b"\\u0000" in joined or _any_is_large(properties):
        return False
    try:
        read = orjson.loads(b"[%b]" % joined)
        if set(map(type, read)) != {dict}:
            return False
        for one, text in zip(read, map(bytes, properties), strict=True):
            if may_be_deep(text):
                check_depth(one)
    except (orjson.JSONDecodeError, Rejected):
        return False
    return True


def _any_is_large(properties: Sequence[msgspec.Raw]) -> bool:
    """Whether the properties of one event are larger than they may be."""
    return max(map(len, properties)) > MAX_PROPERTIES_BYTES


def _refusal(index: int, event: Event, received_at_ms: int) -> Rejection | None:
    """Why an event may not enter, None when it may."""
    field = _bad_text(event)
    if field:
        return event_refusal(index, field)
    refusal = untimely(index, event.ts_ms, received_at_ms)
    if refusal is not None:
        return refusal
    try:
        properties = properties_of(event.properties)
        if event.type == FUNNEL_STEP:
            check_step(event, properties)
    except Rejected as refused:
        return Rejection(index, refused.code, refused.message)
    return None


def _bad_text(event: Event) -> str:
    """The first field whose text may not be, empty when all may."""
    names = ("event_id", "type", "name", "session_id", "user_id")
    texts = [getattr(event, name) or "" for name in names]
    if "".join(texts).isprintable():
        return ""
    return next((name for name, text in zip(names, texts, strict=True) if not _text.match(text)), "")
