"""How the clients of a protocol ask and are answered: where the key stands, what a body may be, what an answer says.

`Dialect` is our own; a protocol overrides what its clients expect to be otherwise. Bytes.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from services.gateway.auth.http import key_of
from services.gateway.http.body import INFLATE, Inflate
from services.gateway.http.problems import Headers, Problem, unauthorised
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.series_limit import SeriesLimitWarning
from services.gateway.intake.service import IntakeResult


class Asked(NamedTuple):
    """What is known of a request before its body is read."""

    path: str
    query: bytes
    headers: Headers
    media: bytes = b""
    """Its content type, without parameters and in lower case."""
    address: str = ""
    """Where it comes from."""


class Answer(NamedTuple):
    """What is sent back; the length is added."""

    status: int
    headers: Headers
    body: bytes


class IntakeAnswer(msgspec.Struct, omit_defaults=True):
    """The body of 202 and 422 in our own dialect."""

    accepted: int
    rejected: list[Rejection]
    warnings: list[SeriesLimitWarning] = []


JSON_MARKS = (b"{", b"[")

_encode = msgspec.json.Encoder().encode


class Dialect:
    """Our own: JSON in, 202 with the refusals by index out, problems as in RFC 9457."""

    media: Collection[bytes] = frozenset({b"application/json"})
    """Content types that are taken; empty: any."""
    encodings: Mapping[bytes, Inflate] = INFLATE
    """Content encodings beside none, each with what undoes it within a limit."""
    wire_bytes: int | None = None
    """Largest body as it comes; None: the setting."""
    decoded_bytes: int | None = None
    """Largest body decompressed; None: the setting."""
    grows = False
    """A client repeats what was refused, and what has come since behind it, in one body (`domain/growing_body.py`)."""
    key_in_body = False
    """The key stands in the body: `key_of_body` is asked for it, `key` is not."""

    def marks(self, media: bytes) -> Collection[bytes]:
        """What begins an object or a list in a body of this type: more of them than a limit are not decoded."""
        return JSON_MARKS

    def key(self, asked: Asked) -> bytes:
        """The key of a request; raise `Problem` when it has none."""
        return key_of(asked.headers)

    def key_of_body(self, asked: Asked, body: bytes) -> bytes:
        """The key in a decompressed body; raise `Problem` when it has none."""
        raise unauthorised()

    def taken(self, request: Request, result: IntakeResult) -> Answer:
        """The answer to a request whose points and events were taken, or refused one by one."""
        status = 202 if result.accepted else 422
        content = (
            _encode(IntakeAnswer(result.accepted, result.rejected, result.warnings))
            if result.rejected or result.warnings
            else b'{"accepted":%d,"rejected":[]}' % result.accepted
        )
        return Answer(status, [(b"content-type", b"application/json")], content)

    def refused(self, asked: Asked, problem: Problem) -> Answer:
        """The answer to a request of which nothing was taken."""
        return Answer(problem.status, problem.all_headers(), problem.body())


class BeaconDialect(Dialect):
    """Of what browsers post without headers: the key may stand in the query, and JSON calls itself plain text."""

    media = frozenset({b"application/json", b"text/plain"})

    def key(self, asked: Asked) -> bytes:
        """The key of a request, from the query too."""
        return key_of(asked.headers, asked.query)


class Fixed(NamedTuple):
    """A path that a client asks for beside posting: the same answer for everyone, without a key."""

    methods: Collection[str]
    answer: Callable[[Asked], Answer]
