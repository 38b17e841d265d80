"""The gateway's answer, and what it means for a batch.

Spans are seconds. Invariant: every answer has one of four verdicts, and only `Again` sends the same batch again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_WAIT_S = 3600.0
"""Longest `Retry-After` that is honoured: an error of a proxy must not silence an application for a day."""

MAX_MESSAGE = 200
"""Characters of the gateway's messages that are kept."""


@dataclass(frozen=True)
class Rejection:
    """One item that the gateway refused for ever."""

    signal: str
    """`points` or `events`."""
    item: Mapping[str, Any]
    """The item as it was sent."""
    code: str
    """Stable name of the reason."""
    message: str
    """What is wrong with it."""


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    retry_after: str | None
    content: bytes


@dataclass(frozen=True)
class Settled:
    """The gateway has accepted the batch, except the rejected items: (index, code, message)."""

    rejected: list[tuple[int, str, str]]
    warnings: list[tuple[str, int, str]] = field(default_factory=list)
    """Warnings about accepted items: (code, how many, message)."""


@dataclass(frozen=True)
class Again:
    """The gateway may accept the same batch later."""

    after_s: float
    """Shortest wait before the next attempt."""
    why: str
    in_doubt: bool = True
    """Whether the gateway may have taken it all the same."""


@dataclass(frozen=True)
class TooLarge:
    """The batch is larger than the gateway accepts at once."""

    why: str


@dataclass(frozen=True)
class Refused:
    """The gateway will never accept the batch, not even a part of it."""

    why: str


Verdict = Settled | Again | TooLarge | Refused


def verdict(answer: Answer, items: int) -> Verdict:
    """The verdict of an answer to a batch of this many items."""
    body = _object(answer.content)
    if answer.status == 202 or (answer.status == 422 and "code" not in body):
        return Settled(_rejected(body, items, everything=answer.status == 422), _warnings(body, items))
    why = f"{answer.status} {_short(body.get('code'))} {_short(body.get('message'))}".strip()
    if answer.status in (408, 429) or answer.status >= 500:
        refused = answer.status in (408, 429) or body.get("outcome") == "not_accepted"
        return Again(_seconds(answer.retry_after), why, in_doubt=not refused)
    return TooLarge(why) if answer.status == 413 else Refused(why)


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _rejected(body: dict[str, Any], items: int, *, everything: bool) -> list[tuple[int, str, str]]:
    listed = body.get("rejected")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    found = {row["index"]: row for row in rows if row.get("index") in range(items)}
    if everything:  # whatever the list says
        found = {index: found.get(index, {}) for index in range(items)}
    return [
        (index, _short(row.get("code")), _short(row.get("message"))) for index, row in sorted(found.items())
    ]


def _warnings(body: dict[str, Any], items: int) -> list[tuple[str, int, str]]:
    listed = body.get("warnings")
    return [
        (_short(row.get("code")), row["points"], _short(row.get("message")))
        for row in (listed if isinstance(listed, list) else [])
        if isinstance(row, dict) and row.get("points") in range(1, items + 1)
    ]


def _short(words: object) -> str:
    return words[:MAX_MESSAGE] if isinstance(words, str) else ""


def _seconds(retry_after: str | None) -> float:
    """A `Retry-After` in seconds; its other form, a date, needs clocks that agree."""
    words = (retry_after or "").strip()
    if not (words.isascii() and words.isdigit()):
        return 0.0
    return LONGEST_WAIT_S if len(words) > 6 else min(float(words), LONGEST_WAIT_S)
