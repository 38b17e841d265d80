"""Bodies about silences: what is asked, checked by field, and what is answered.

Milliseconds UTC, spans seconds.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field

from shared.alerts.silences.matchers import MAX_MATCHERS, Matcher, all_of, matcher_of
from shared.alerts.silences.tables import New, Stored
from shared.errors import Rejected

MAX_MS = 400 * 24 * 3600 * 1000
"""Longest silence."""

MAX_AUTHOR, MAX_TEXT = 200, 2_000
"""Characters of who it is, and of what is said."""

Author = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_AUTHOR)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class MatcherAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A condition on a label."""

    name: str
    value: str
    operator: str = "="


class PreviewAsked(msgspec.Struct, forbid_unknown_fields=True):
    """What a silence would be about."""

    matchers: list[MatcherAsked]


class SilenceAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A silence to make."""

    matchers: list[MatcherAsked]
    author: Author
    comment: Text
    starts_ms: int | None = None
    ends_ms: int | None = None
    lasts_s: int | None = None


class MatcherBody(BaseModel):
    """A condition on a label."""

    name: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str


class SilenceBody(BaseModel):
    """A silence."""

    id: str
    state: Literal["pending", "active", "expired"]
    matchers: list[MatcherBody]
    starts_ms: int
    ends_ms: int
    author: str
    comment: str
    created_ms: int
    expired_by: str | None = Field(description="Who ended it before its time; null: nobody")


class ListedBody(SilenceBody):
    """A silence, and how many alerts it is about."""

    alerts: int = Field(description="Alerts, pending or firing now, that it is about")


class SilencesBody(BaseModel):
    """Silences, the last to end first."""

    silences: list[ListedBody]
    truncated: bool


class NamedBody(BaseModel):
    """An alert that lasts."""

    alert_id: str
    rule: str
    state: Literal["pending", "firing"]
    labels: dict[str, str]


class PreviewBody(BaseModel):
    """What a silence would be about."""

    now: int = Field(description="Alerts that are pending or firing")
    last_7_days: int = Field(description="How often such alerts fired")
    alerts: list[NamedBody] = Field(description="The newest twenty of those that last")
    truncated: bool = Field(description="More alerts than 10,000 were not looked at")


_MATCHERS = {
    "type": "array", "minItems": 1, "maxItems": MAX_MATCHERS,
    "items": {
        "type": "object", "required": ["name", "value"],
        "properties": {"name": {"type": "string"}, "operator": {"enum": ["=", "!=", "=~", "!~"]},
                       "value": {"type": "string"}},
    },
}  # fmt: skip

ASKS_PREVIEW: dict[str, Any] = {
    "type": "object",
    "required": ["matchers"],
    "properties": {"matchers": _MATCHERS},
}

ASKS_SILENCE: dict[str, Any] = {
    "type": "object", "required": ["matchers", "author", "comment"],
    "properties": {
        "matchers": _MATCHERS,
        "author": {"type": "string", "minLength": 1, "maxLength": MAX_AUTHOR},
        "comment": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "starts_ms": {"type": "integer", "description": "Now, if not given or past"},
        "ends_ms": {"type": "integer"},
        "lasts_s": {"type": "integer", "minimum": 1, "description": "In place of `ends_ms`"},
    },
}  # fmt: skip


def matchers_of(asked: Sequence[MatcherAsked]) -> tuple[Matcher, ...]:
    """The matchers of a body; raise `Rejected` with the place of one that is none."""
    return all_of(
        [matcher_of(one.name, one.operator, one.value, f"matchers.{at}") for at, one in enumerate(asked)]
    )


def new_of(asked: SilenceAsked, tenant_id: int, key_id: str, now_ms: int) -> New:
    """The silence that is asked for; raise `Rejected` naming the field that is wrong."""
    if (asked.ends_ms is None) == (asked.lasts_s is None):
        raise Rejected("invalid_silence", "ends_ms: a silence has an end: one of ends_ms and lasts_s")
    starts_ms = max(now_ms, asked.starts_ms or 0)
    ends_ms = starts_ms + (asked.lasts_s or 0) * 1000 if asked.ends_ms is None else asked.ends_ms
    new = New(tenant_id, matchers_of(asked.matchers), starts_ms, ends_ms, asked.author, asked.comment, key_id)
    check(new, now_ms)
    return new


def check(new: New, now_ms: int) -> None:
    """Raise `Rejected` for a silence that cannot be, by field."""
    if not now_ms < new.ends_ms or not new.starts_ms < new.ends_ms <= new.starts_ms + MAX_MS:
        raise Rejected("invalid_silence", "ends_ms: must lie ahead and after its start, by 400 days at most")
    if new.starts_ms > now_ms + MAX_MS:
        raise Rejected("invalid_silence", "starts_ms: lies more than 400 days ahead")
    for field, text, most in (("author", new.author, MAX_AUTHOR), ("comment", new.comment, MAX_TEXT)):
        if not text.strip() or "\0" in text or len(text) > most:
            raise Rejected("invalid_silence", f"{field}: must be said, in {most} characters without NUL")


def shown(stored: Stored) -> dict[str, Any]:
    """A silence as it is answered."""
    matchers = [
        {"name": one.name, "operator": one.operator, "value": one.value} for one in stored.silence.matchers
    ]
    return {
        "id": stored.silence.silence_id, "state": stored.state, "matchers": matchers, "starts_ms": stored.starts_ms,
        "ends_ms": stored.ends_ms, "author": stored.author, "comment": stored.comment,
        "created_ms": stored.created_ms, "expired_by": stored.expired_by,
    }  # fmt: skip
