"""Which events are asked for: of a type, a session or a user, in a range of event time, newest first. Pure.

Times are milliseconds UTC.
"""

from dataclasses import dataclass

from services.gateway.query.resources.windows.windows import check_range
from shared.errors import Rejected

MAX_LIMIT = 1_000
"""Most events of a page."""

FIELDS = ("event_id", "ts_ms", "received_at_ms", "type", "name", "session_id", "user_id", "properties")
"""What an event has."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A question about events of one tenant; an empty text asks for nothing in particular."""

    tenant_id: int
    type: str
    session_id: str
    user_id: str
    from_ms: int
    to_ms: int
    limit: int

    @property
    def filters(self) -> tuple[object, ...]:
        """What a cursor belongs to."""
        return (self.tenant_id, self.type, self.session_id, self.user_id, self.from_ms)


def check(query: EventQuery) -> EventQuery:
    """The query itself; raise `Rejected` naming the parameter that is wrong."""
    if not (query.type or query.session_id or query.user_id):
        raise Rejected("invalid_type", "type: say of which type, session_id or user_id")
    check_range(query.from_ms, query.to_ms)
    if not 1 <= query.limit <= MAX_LIMIT:
        raise Rejected("invalid_limit", f"limit: must be 1 to {MAX_LIMIT}")
    return query


def fields_of(text: str) -> tuple[str, ...]:
    """The fields to show, all where none is named; raise `Rejected` for one that there is not."""
    wanted = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in wanted:
        if name not in FIELDS:
            raise Rejected("invalid_fields", f"fields: {name[:64]!a} is none of {', '.join(FIELDS)}")
    return wanted or FIELDS
