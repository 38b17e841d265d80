"""Errors, sessions, lines of logs and client reports of Sentry's SDKs as our events and points.

Milliseconds UTC. Source: develop.sentry.dev, event payloads, sessions, logs, client reports.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.gateway.intake.columns.rows import MappedEvent, MetricPoint, Row
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.sentry.record import Record, part, parts, plain, sdk_of, text
from services.gateway.intake.protocols.vocabulary import EventContext, Frame
from shared.errors import Rejected

SESSIONS = "session.count"
"""Sessions that a client counted without saying which they were."""

CALM = frozenset({"debug", "info", "log"})
"""Levels at which a message without an exception is a line of a log, and no error."""

MAX_LABELS = 50
"""Labels (Sentry: tags) of an error that are kept."""

_STATUSES = ("exited", "errored", "crashed", "abnormal", "unhandled")
_SAID_ELSEWHERE = frozenset(
    {"user.id", "sentry.release", "sentry.environment", "sentry.sdk.name", "sentry.sdk.version"}
)


def error_rows(record: Record) -> Iterable[Row | Rejected]:
    """An error, or a message."""
    event = record.fields
    thrown = next(iter(reversed(parts(event, "exception", "values"))), None)
    level, message = text(event.get("level")) or "error", _message(event)
    thrown = thrown or {}
    if not text(thrown.get("type")) and level.lower() in CALM:
        # Browsers give a message the stack of where it was captured, in an exception without a type.
        return [_line(record, level, message)]
    handled = part(thrown, "mechanism").get("handled")
    return [
        vocabulary.error(
            _event_id(record),
            record.ts("timestamp"),
            _context(record),
            type_=text(thrown.get("type")) or ("Message" if message else "Error"),
            message=text(thrown.get("value"), vocabulary.MAX_MESSAGE) or message,
            handled=handled if isinstance(handled, bool) else None,
            level=level,
            stack=_stack(thrown),
            more=_more(event),
        )
    ]


def session_rows(record: Record) -> Iterable[Row | Rejected]:
    """A session has begun, has ended, or both: each once, however often it is updated."""
    session, attributes = record.fields, part(record.fields, "attrs")
    sid, status = text(session.get("sid"), 64).replace("-", ""), text(session.get("status"), 32) or "ok"
    if not sid:
        raise Rejected("invalid_session_id", "sid: must be given")
    of = record.context(
        session.get("did"),
        sid,
        release=attributes.get("release"),
        environment=attributes.get("environment"),
        user_agent=attributes.get("user_agent"),
    )
    if status == "ok" or session.get("init") is True:
        yield vocabulary.event(vocabulary.SESSION_START, f"{sid}.ok", record.ts("started", "timestamp"), of)
    if status != "ok":
        more = {
            name: session[name]
            for name in ("duration", "errors")
            if isinstance(session.get(name), (int, float))
        }
        ended = record.ts("timestamp", "started")
        yield vocabulary.event(
            vocabulary.SESSION_END, f"{sid}.{status}", ended, of, more={"status": status} | more
        )


def session_counts(record: Record) -> Iterable[Row | Rejected]:
    """Sessions of one minute, by how they ended."""
    attributes = part(record.around, "attrs")
    shared = vocabulary.labels(release=attributes.get("release"), environment=attributes.get("environment"))
    ts = record.ts("started")
    return [
        MetricPoint(
            SESSIONS,
            vocabulary.number(record.fields[status], status),
            "",
            shared | {"status": status},
            "delta",
            ts,
        )
        for status in _STATUSES
        if record.fields.get(status) is not None
    ]


def discarded(record: Record) -> Iterable[Row | Rejected]:
    """What a client lost of one category, for one reason."""
    report = record.fields
    quantity = vocabulary.number(report.get("quantity"), "quantity")
    ts = record.sender.clock.read(record.around.get("timestamp"))
    return [vocabulary.discarded(quantity, report.get("reason"), report.get("category"), ts)]


def log_rows(record: Record) -> Iterable[Row | Rejected]:
    """A line of a log."""
    said = plain(part(record.fields, "attributes"))
    if trace := text(record.fields.get("trace_id")):
        said["trace_id"] = trace
    context = record.context(
        said.get("user.id"),
        release=said.get("sentry.release"),
        environment=said.get("sentry.environment"),
        sdk=sdk_of({"name": said.get("sentry.sdk.name"), "version": said.get("sentry.sdk.version")}),
    )
    return [
        vocabulary.log(
            record.sender.ids.of(record.raw),
            record.ts("timestamp"),
            context,
            level=text(record.fields.get("level")) or "info",
            message=text(record.fields.get("body"), vocabulary.MAX_MESSAGE),
            attributes={name: value for name, value in said.items() if name not in _SAID_ELSEWHERE},
        )
    ]


def _line(record: Record, level: str, message: str) -> MappedEvent:
    """A message as a line of a log."""
    return vocabulary.log(
        _event_id(record),
        record.ts("timestamp"),
        _context(record),
        level=level,
        message=message,
        attributes=_more(record.fields),
    )


def _event_id(record: Record) -> str:
    """The id that the client gave the event, with dashes or without; an id of its bytes where it gave none."""
    said = text(record.fields.get("event_id")) or record.sender.event_id
    return said.replace("-", "").lower() or record.sender.ids.of(record.raw)


def _context(record: Record) -> EventContext:
    event = record.fields
    headers = part(event, "request", "headers")
    agent = next((value for name, value in headers.items() if name.lower() == "user-agent"), "")
    labels = part(event, "tags")
    return record.context(
        part(event, "user").get("id"),
        labels.get("session.id") or labels.get("session_id"),
        url=vocabulary.label_text(part(event, "request").get("url")),
        release=event.get("release"),
        environment=event.get("environment"),
        user_agent=text(agent, 512),
        sdk=sdk_of(part(event, "sdk")),
        transaction=event.get("transaction"),
    )


def _more(event: Mapping[str, Any]) -> dict[str, Any]:
    """Tags, the platform and the trace of an event."""
    labels = part(event, "tags")
    kept = {name[:64]: text(value, 200) for name, value in list(labels.items())[:MAX_LABELS] if text(value)}
    said = {"tags": kept, "platform": text(event.get("platform")), "logger": text(event.get("logger"))}
    said["trace_id"] = text(part(event, "contexts", "trace").get("trace_id"))
    return {name: value for name, value in said.items() if value}


def _message(event: Mapping[str, Any]) -> str:
    entry = part(event, "logentry") or part(event, "message")
    said = entry.get("formatted") or entry.get("message") or event.get("message")
    return text(said, vocabulary.MAX_MESSAGE)


def _stack(thrown: Mapping[str, Any]) -> list[Frame]:
    """The frames of an exception, the innermost first; Sentry writes it last."""
    return [
        Frame(
            text(frame.get("function"), 256),
            text(frame.get("filename") or frame.get("module") or frame.get("abs_path"), 1024),
            _position(frame.get("lineno")),
            _position(frame.get("colno")),
        )
        for frame in reversed(parts(thrown, "stacktrace", "frames")[-vocabulary.MAX_FRAMES :])
    ]


def _position(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
