"""Refusals as HTTP: problem documents of RFC 9457 with a stable code, which is where their type leads.

A body holds nothing of the input but the names of fields and, in `ask`, the path and query without a key. What is
worth trying again bears `Retry-After`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

Headers = list[tuple[bytes, bytes]]

PROBLEM = b"application/problem+json"

PAGE = "docs/clients/answers.md"
"""Where each code stands, with what to do about it; the type of a problem is a place on it."""


@dataclass(slots=True)
class Problem(Exception):
    """An answer other than 2xx."""

    status: int
    """HTTP status."""
    code: str
    """Stable name of the reason."""
    message: str
    """What to do about it, in a sentence."""
    retry_after_s: int = 0
    """Above zero: come again after so long."""
    outcome: str = ""
    """For 503: `not_accepted` or `unknown`."""
    ask: str = ""
    """For 421: the address to ask instead."""
    headers: Headers = field(default_factory=list)
    """More headers of the answer."""
    pointer: str = ""
    """Place in the body that is at fault, as JSON Pointer writes it."""
    instead: Mapping[str, Any] = field(default_factory=dict)
    """Fields that would have been taken: `try` in the body."""

    def document(self) -> dict[str, Any]:
        """What the answer's body says."""
        found = self.message.partition(":")
        fields: dict[str, Any] = {
            "type": f"{PAGE}#{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            "message": self.message,
        }
        if found[1] and found[0].replace("_", "").replace(".", "").isalnum():
            fields["field"] = found[0]
        if self.outcome:
            fields["outcome"] = self.outcome
        if self.ask:
            fields["ask"] = self.ask
        if self.pointer:
            fields["pointer"] = self.pointer
        if self.instead:
            fields["try"] = self.instead
        return fields

    def body(self) -> bytes:
        """The answer's body."""
        return orjson.dumps(self.document())

    def all_headers(self) -> Headers:
        """The answer's headers but the length."""
        headers = [(b"content-type", PROBLEM), *self.headers]
        if self.retry_after_s:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        return headers


def unauthorised() -> Problem:
    """No key or an unknown one: the same answer for both."""
    return Problem(
        401,
        "unauthorised",
        "a known API key is needed",
        headers=[(b"www-authenticate", b'Bearer realm="tidegauge"')],
    )


def refused(reason: str) -> Problem:
    """Nothing can be taken now, and nothing was."""
    return Problem(503, "unavailable", f"nothing was taken, try again: {reason}", 1, "not_accepted")


def not_allowed(methods: str) -> Problem:
    """Another method than these."""
    return Problem(
        405, "method_not_allowed", f"only {methods} is answered here", headers=[(b"allow", methods.encode())]
    )


def unknown() -> Problem:
    """Points were produced and no answer came."""
    return Problem(
        503, "no_ack", "the log did not confirm in time, the points may or may not be kept", 1, "unknown"
    )
