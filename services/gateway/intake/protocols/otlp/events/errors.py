"""Exceptions as errors: log records and events of spans say them by the same attributes. Milliseconds UTC.

Source: OpenTelemetry's semantic conventions of exceptions. A stack trace stays the text that its language writes.
"""

from typing import Any

from services.gateway.intake.columns.rows import MappedEvent, Time
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.otlp.events.context import first_of, others
from services.gateway.intake.protocols.otlp.map import Attributes
from services.gateway.intake.protocols.vocabulary import EventContext

TYPE, MESSAGE, STACK, ESCAPED = (
    "exception.type", "exception.message", "exception.stacktrace", "exception.escaped",
)  # fmt: skip

MAX_STACK = 12_000
"""Characters of a stack trace that are kept, the first and the last ones."""


def is_exception(attributes: Attributes) -> bool:
    """Whether these attributes are those of an exception."""
    return TYPE in attributes or MESSAGE in attributes


def error_of(
    event_id: str, ts: Time, attributes: Attributes, context: EventContext, *, level: str = "error"
) -> MappedEvent:
    """The error that these attributes say; raise `Rejected`."""
    escaped = attributes.get(ESCAPED)
    stack = attributes.get(STACK)
    more: dict[str, Any] = {"attributes": others(attributes, (TYPE, MESSAGE, STACK, ESCAPED))}
    if isinstance(stack, str) and stack:
        more["stacktrace"] = _shortened(stack.replace("\0", ""))
    return vocabulary.error(
        event_id,
        ts,
        context,
        type_=first_of((TYPE,), attributes),
        message=first_of((MESSAGE,), attributes),
        handled=not escaped if isinstance(escaped, bool) else None,
        level=level,
        more={name: value for name, value in more.items() if value},
    )


def _shortened(stack: str) -> str:
    """Both ends of a text: languages differ in which end the innermost call stands at."""
    if len(stack) <= MAX_STACK:
        return stack
    half = MAX_STACK // 2
    return f"{stack[:half]}\n…\n{stack[-half:]}"
