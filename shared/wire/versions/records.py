"""The records that messages of all versions hold: an event, and the rows of one client's batch.

Times are milliseconds UTC. A version that changes one of them has a record of its own.
"""

from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from shared.model.event import MAX_ID, MAX_NAME, MAX_TYPE

MAX_ROWS = 20_000
"""Rows of one batch, and thus series: a uint16 slot reaches them all, and a record stays small."""

MAX_EVENTS = MAX_ROWS // 2
"""Events of one batch: the points derived from them, at most two each, fit into one message."""

TEXT = r"\A[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]*\Z"
"""What a text may be: no character of control, direction or half a pair."""

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID, pattern=TEXT)]
"""Id of an event, a session or a user."""

Type: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TYPE, pattern=TEXT)]
"""Type of an event."""

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME, pattern=TEXT)]
"""Name of an event."""

NO_PROPERTIES = msgspec.Raw(b"{}")
"""An empty body."""


class Part(NamedTuple):
    """The rows of one client's batch among those of a message."""

    batch_id: bytes
    """`BATCH_ID_BYTES` that name the batch."""
    body: int
    """Hash of what the client sent, to tell a repeat from another body under the same key."""
    first: int
    """First row."""
    rows: int
    """How many."""


class Event(msgspec.Struct, gc=False, omit_defaults=True):
    """One event as it travels."""

    tenant_id: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    event_id: Id
    type: Type
    ts_ms: int
    name: Name = ""
    session_id: Id | None = None
    user_id: Id | None = None
    properties: msgspec.Raw = NO_PROPERTIES
    """A JSON object."""
