"""Captured events of PostHog's clients as our events and points, by their names.

Milliseconds UTC. Source: PostHog's capture API; what posthog-js 1.449 and posthog 7.91 were seen to send. Names that
begin with `$` are PostHog's own; all others are those of an application, and stay as they are.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import orjson

from services.gateway.intake.columns.client_clock import ClientClock
from services.gateway.intake.columns.rows import NOT_KEPT, ContentIds, MappedEvent, MetricPoint, Row
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.vocabulary import EventContext, Frame
from shared.errors import Rejected
from shared.model.event import MAX_ID, MAX_TYPE

UNKEPT = frozenset({
    "$set", "$unset", "$groupidentify", "$create_alias", "$merge_dangerously", "$snapshot", "$$heatmap",
    "$performance_event", "$feature_flag_called",
})  # fmt: skip
"""Events about persons, groups, flags and recordings, which are not kept."""

RENAMED = {
    "$referrer": "referrer", "$os": "os", "$device_type": "device_type", "title": "title",
    "$el_text": "element_text", "$event_type": "event_type", "$prev_pageview_duration": "duration",
    "$anon_distinct_id": "anonymous_id",
}  # fmt: skip
"""Properties of PostHog that are kept, and our names of them."""

VITALS = ("LCP", "CLS", "FCP", "INP", "TTFB")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Sender(NamedTuple):
    """What a request says for all of its events."""

    clock: ClientClock
    ids: ContentIds
    received_at_ms: int
    keys: Collection[str]
    """The project's key."""


class Captured(NamedTuple):
    """An event as it came."""

    event: Mapping[str, Any]
    raw: bytes
    sender: Sender

    @property
    def said(self) -> Mapping[str, Any]:
        """Its properties."""
        return self.event.get("properties") or {}

    def event_id(self) -> str:
        """Its id: stable over retries; without one, that of its bytes."""
        return text(self.event.get("uuid") or self.said.get("$insert_id")) or self.sender.ids.of(self.raw)

    def ts(self) -> int | None:
        """When it happened; older clients say how long ago."""
        offset = self.event.get("offset")
        if self.event.get("timestamp") is None and isinstance(offset, int):
            return self.sender.received_at_ms - offset
        return self.sender.clock.read(self.event.get("timestamp"))

    def context(self) -> EventContext:
        """Where it happened."""
        said = self.said
        user = self.event.get("distinct_id") or said.get("distinct_id")
        return EventContext(
            text(said.get("$session_id")),
            text(user),
            {
                "url": vocabulary.label_text(said.get("$current_url")),
                "user_agent": text(said.get("$raw_user_agent"), 512),
                "browser": _joined(said, "$browser", "$browser_version", " "),
                "sdk": _joined(said, "$lib", "$lib_version", "/"),
                "release": text(said.get("$app_version")),
            },
        )


def rows_of(captured: Captured) -> Iterable[Row | Rejected]:
    """What an event becomes; raise `Rejected`."""
    name = captured.event.get("event")
    if not isinstance(name, str) or not name:
        raise Rejected("invalid_type", "event: must be given, the name of the event")
    _check_key(captured)
    if name in UNKEPT:
        raise Rejected(NOT_KEPT, "event: events of this name are not kept")
    return _MAKERS.get(name, _custom)(captured)


def _check_key(captured: Captured) -> None:
    """Raise `Rejected` for an event of another project than its batch."""
    token = captured.said.get("token")
    if isinstance(token, str) and token not in captured.sender.keys:
        raise Rejected("two_keys", "properties.token: differs from the api_key of the batch")


def _page_view(captured: Captured) -> Iterator[MappedEvent]:
    path = _path_of(captured.context().properties["url"])
    yield vocabulary.page_view(
        captured.event_id(), captured.ts(), captured.context(), name=path, more=_properties(captured)
    )


def _path_of(url: str) -> str:
    """The path of an address; empty for what is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _vitals(captured: Captured) -> Iterator[Row | Rejected]:
    """The vitals of a page; a value that is null is refused, the others count."""
    for name in VITALS:
        report = captured.said.get(f"$web_vitals_{name}_event")
        value = captured.said.get(f"$web_vitals_{name}_value")
        if not isinstance(report, Mapping):
            if f"$web_vitals_{name}_value" not in captured.said:
                continue
            report = {}
        try:
            yield from vocabulary.vital(
                name,
                report.get("value", value),
                report.get("delta"),
                page=report.get("navigationURL")
                or report.get("$current_url")
                or captured.said.get("$current_url"),
                navigation_type=report.get("navigationType"),
                ts=captured.sender.clock.read(report.get("timestamp", captured.event.get("timestamp"))),
            )
        except Rejected as problem:
            yield problem


def _exception(captured: Captured) -> Iterator[MappedEvent]:
    """An error; of a chain of exceptions the first is the one that was thrown last."""
    said = captured.said
    listed = said.get("$exception_list")
    thrown = (
        next((each for each in listed if isinstance(each, Mapping)), {}) if isinstance(listed, list) else {}
    )
    mechanism = thrown.get("mechanism")
    handled = mechanism.get("handled") if isinstance(mechanism, Mapping) else None
    yield vocabulary.error(
        captured.event_id(),
        captured.ts(),
        captured.context(),
        type_=text(thrown.get("type") or said.get("$exception_type")),
        message=text(thrown.get("value") or said.get("$exception_message"), vocabulary.MAX_MESSAGE),
        handled=handled if isinstance(handled, bool) else None,
        level=text(said.get("$exception_level")) or "error",
        stack=_stack(thrown),
    )


def _warning(captured: Captured) -> Iterator[MetricPoint]:
    """The client has begun to drop events: it does not say how many."""
    yield vocabulary.discarded(1.0, "client_ingestion_warning", "event", captured.ts())


def _identify(captured: Captured) -> Iterator[MappedEvent]:
    """Who a user is from now on; what the application says of the person is not kept."""
    yield vocabulary.event(
        "identify", captured.event_id(), captured.ts(), captured.context(), more=_renamed(captured.said)
    )


def _page_leave(captured: Captured) -> Iterator[MappedEvent]:
    yield vocabulary.event(
        "page_leave", captured.event_id(), captured.ts(), captured.context(), more=_properties(captured)
    )


def _custom(captured: Captured) -> Iterator[MappedEvent]:
    """An event of the application, under its own name; a name that is too long for a type is kept as the name."""
    name = captured.event["event"]
    yield vocabulary.event(
        name[:MAX_TYPE],
        captured.event_id(),
        captured.ts(),
        captured.context(),
        name=name if len(name) > MAX_TYPE else "",
        more=_properties(captured),
    )


_MAKERS: dict[str, Callable[[Captured], Iterable[Row | Rejected]]] = {
    "$pageview": _page_view, "$pageleave": _page_leave, "$web_vitals": _vitals, "$exception": _exception,
    "$identify": _identify, "$$client_ingestion_warning": _warning,
}  # fmt: skip
"""By the names of PostHog's own events."""


def _properties(captured: Captured) -> dict[str, Any]:
    """The properties that the application gave, to the last digit, and some of PostHog's."""
    raws = _members(captured.raw).get("properties")
    given = _members(raws) if captured.said and raws is not None else {}
    kept = {
        name: orjson.Fragment(bytes(value))
        for name, value in given.items()
        if not name.startswith("$") and name not in ("token", "distinct_id")
    }
    return kept | _renamed(captured.said)


def _renamed(said: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: said.get(theirs) for theirs, ours in RENAMED.items()}
    return {name: value for name, value in found.items() if isinstance(value, (str, int, float))}


def _stack(thrown: Mapping[str, Any]) -> list[Frame]:
    """The frames of an exception, the innermost first; PostHog writes it last."""
    trace = thrown.get("stacktrace")
    frames = trace.get("frames") if isinstance(trace, Mapping) else None
    return [
        Frame(
            text(frame.get("function"), 256),
            text(frame.get("filename") or frame.get("abs_path") or frame.get("module"), 1024),
            frame["lineno"] if isinstance(frame.get("lineno"), int) else None,
            frame["colno"] if isinstance(frame.get("colno"), int) else None,
        )
        for frame in reversed(frames[-vocabulary.MAX_FRAMES :] if isinstance(frames, list) else [])
        if isinstance(frame, Mapping)
    ]


def text(value: object, size: int = MAX_ID) -> str:
    """A text or a whole number as text, cut; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value)[:size]


def _joined(said: Mapping[str, Any], first: str, second: str, between: str) -> str:
    return between.join(filter(None, (text(said.get(first)), text(said.get(second)))))
