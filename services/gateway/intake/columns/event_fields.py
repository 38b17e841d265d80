"""The fields of an event in every JSON protocol: their types and lengths, and the refusal of one that does not fit.

Times are milliseconds UTC or RFC 3339. Invariant: a refusal holds nothing of what was in the field.
"""

from typing import Annotated

import msgspec

from services.gateway.intake.columns.json import INSTANT, Instant, misfitting_field
from services.gateway.intake.domain.admission import Rejection
from shared.model.event import MAX_ID, MAX_NAME, MAX_TYPE
from shared.wire.events import NO_PROPERTIES

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]


class EventFields(msgspec.Struct, gc=False):
    """An event as a client says it; its texts are not searched yet: a pattern in each type costs more than all else."""

    event_id: Short
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TYPE)]
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""
    ts: int | Instant | None = None
    session_id: Short | None = None
    user_id: Short | None = None
    properties: msgspec.Raw = NO_PROPERTIES


_MUST = {
    "event_id": f"must be given, 1 to {MAX_ID} characters, none of control",
    "type": f"must be given, 1 to {MAX_TYPE} characters, none of control",
    "name": f"must be at most {MAX_NAME} characters, none of control",
    "ts": INSTANT,
    "session_id": f"must be 1 to {MAX_ID} characters, none of control",
    "user_id": f"must be 1 to {MAX_ID} characters, none of control",
}


def event_misfit(index: int, problem: str) -> Rejection:
    """A refusal of what is no event, from what msgspec says of it."""
    return event_refusal(index, misfitting_field(problem))


def event_refusal(index: int, field: str) -> Rejection:
    """A refusal that names the field and not what was in it."""
    if field not in _MUST:
        return Rejection(index, "invalid_event", "event: must be an object with event_id and type, in UTF-8")
    return Rejection(index, f"invalid_{field}", f"{field}: {_MUST[field]}")
