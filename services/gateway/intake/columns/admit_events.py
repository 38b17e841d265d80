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
from typing import Any

import msgspec
import orjson

from services.gateway.intake.columns.contract import EventColumns, RequestColumns
from services.gateway.intake.columns.event_fields import event_refusal
from services.gateway.intake.domain.admission import Rejection, untimely
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, MAX_PROPERTIES_BYTES, check_depth
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.events import TEXT, TYPE, Event, check_step, packed_properties, properties_of

_type = re.compile(TYPE)
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
    if _timely(columns, received_at_ms) and (columns.printable or _printable(columns)):
        texts = _storable(columns.properties)
        if texts is not None:
            return AdmittedEvents(_events(columns, texts, tenant_id), decoded.refused)
    events = _events(columns, columns.properties, tenant_id)
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


def _events(columns: EventColumns, properties: Sequence[Any], tenant_id: int) -> list[Event]:
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
            properties,
        )
    )


def _timely(columns: EventColumns, received_at_ms: int) -> bool:
    """Whether all types and times are as they may be, and no event is a step of a funnel."""
    types = set(columns.type)
    return (
        FUNNEL_STEP not in types
        and all(map(_type.match, types))
        and received_at_ms - MAX_LATE_MS <= min(columns.ts_ms)
        and max(columns.ts_ms) <= received_at_ms + MAX_AHEAD_MS
    )


def _printable(columns: EventColumns) -> bool:
    """Whether all texts are; narrower than what is allowed, and ten times as fast as looking for what is not."""
    texts = (
        *columns.event_id, *columns.name, *filter(None, columns.session_id), *filter(None, columns.user_id)
    )  # fmt: skip
    return "".join(texts).isprintable()


def _storable(properties: Sequence[Any]) -> Sequence[msgspec.Raw] | None:
    """All properties as text; None unless all are objects that a table holds, none of them too large or too deep."""
    if type(properties[0]) is not msgspec.Raw:
        return _packed(properties)
    joined = b",".join(properties)
    if b"\\u0000" in joined or _any_is_large(joined, properties):
        return None
    try:
        read = orjson.loads(b"[%b]" % joined)
        if set(map(type, read)) != {dict}:
            return None
        if joined.count(b"{") + joined.count(b"[") > len(properties):
            for one in read:
                check_depth(one)
    except (orjson.JSONDecodeError, Rejected):
        return None
    return properties


def _packed(properties: Sequence[object]) -> list[msgspec.Raw] | None:
    """The texts of objects; None where one of them might be too large, too deep or not to be stored."""
    if set(map(type, properties)) != {dict}:
        return None
    try:
        texts = list(map(orjson.dumps, properties))
    except orjson.JSONEncodeError:
        return None
    joined = b",".join(texts)
    if b"\\u0000" in joined or _any_is_large(joined, texts):
        return None
    if joined.count(b"{") + joined.count(b"[") > len(texts):
        return None
    return list(map(msgspec.Raw, texts))


def _any_is_large(joined: bytes, texts: Sequence[bytes]) -> bool:
    """Whether one of these texts is; most requests are smaller than the properties of one event may be."""
    return len(joined) > MAX_PROPERTIES_BYTES and max(map(len, texts)) > MAX_PROPERTIES_BYTES


def _refusal(index: int, event: Event, received_at_ms: int) -> Rejection | None:
    """Why an event may not enter, None when it may; its properties are text from then on."""
    field = _bad_text(event)
    if field:
        return event_refusal(index, field)
    refusal = untimely(index, event.ts_ms, received_at_ms)
    if refusal is not None:
        return refusal
    try:
        properties: Any = event.properties
        if isinstance(properties, msgspec.Raw):
            properties = properties_of(properties)
        else:
            event.properties = packed_properties(properties)
        if event.type == FUNNEL_STEP:
            check_step(event, properties)
    except Rejected as refused:
        return Rejection(index, refused.code, refused.message)
    return None


def _bad_text(event: Event) -> str:
    """The first field whose text may not be, empty when all may."""
    if not _type.match(event.type):
        return "type"
    names = ("event_id", "name", "session_id", "user_id")
    texts = [getattr(event, name) or "" for name in names]
    if "".join(texts).isprintable():
        return ""
    return next((name for name, text in zip(names, texts, strict=True) if not _text.match(text)), "")
