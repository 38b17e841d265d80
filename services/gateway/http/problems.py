"""Refusals as HTTP: a status, a stable code and a message, in the manner of RFC 9457.

A body holds nothing of the input but the names of fields and, in `ask`, the path and query without a key. What is
worth trying again bears `Retry-After`.
"""

from dataclasses import dataclass, field

import orjson

Headers = list[tuple[bytes, bytes]]

PROBLEM = b"application/problem+json"


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

    def body(self) -> bytes:
        """The answer's body."""
        found = self.message.partition(":")
        fields = {"code": self.code, "message": self.message}
        if found[1] and found[0].replace("_", "").replace(".", "").isalnum():
            fields["field"] = found[0]
        if self.outcome:
            fields["outcome"] = self.outcome
        if self.ask:
            fields["ask"] = self.ask
        return orjson.dumps(fields)

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


def unknown() -> Problem:
    """Points were produced and no answer came."""
    return Problem(
        503, "no_ack", "the log did not confirm in time, the points may or may not be kept", 1, "unknown"
    )
