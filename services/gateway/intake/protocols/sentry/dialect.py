"""How Sentry's SDKs ask and are answered: 200 with the id of the event, and limits in `X-Sentry-Rate-Limits`.

Seconds. Source: develop.sentry.dev, rate limiting; Relay's errors. An SDK drops what is answered 4xx or 5xx, and tells
of it in a client report.
"""

from collections.abc import Collection, Mapping
from typing import Any

import cramjam
import orjson

from services.gateway.auth.http import key_of
from services.gateway.http.body import Inflate, inflate, too_large
from services.gateway.http.problems import Problem, unauthorised
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.columns.rows import NOT_KEPT
from services.gateway.intake.protocols.dialect import Answer, Asked, Dialect
from services.gateway.intake.protocols.sentry.dsn import key_of_dsn, key_of_request
from services.gateway.intake.protocols.sentry.envelope import header_of
from services.gateway.intake.service import IntakeResult
from shared.errors import Rejected

MAX_SHOWN = 20
"""Refusals that an answer lists."""

JSON = (b"content-type", b"application/json")


def brotli(body: bytes, limit: int) -> bytes:
    """What sentry-sdk sends where a brotli library is installed; raise `Problem`."""
    room = bytearray(limit + 1)
    try:
        size = cramjam.brotli.decompress_into(body, room)
    except cramjam.DecompressionError as error:
        raise Problem(400, "bad_brotli", f"body: is not brotli, or larger than {limit} bytes") from error
    if size > limit:
        raise too_large(limit)
    return bytes(room[:size])


class SentryDialect(Dialect):
    """Of envelopes and events."""

    media: Collection[bytes] = frozenset()
    encodings: Mapping[bytes, Inflate] = {b"gzip": inflate, b"br": brotli}

    def key(self, asked: Asked) -> bytes:
        """The key in the query or in `X-Sentry-Auth`, or where our own clients put it."""
        return key_of_request(asked.headers, asked.query) or key_of(asked.headers)

    def taken(self, request: Request, result: IntakeResult) -> Answer:
        """200 with the id of the event, which SDKs ignore; what was refused is there for who looks."""
        said: dict[str, Any] = {}
        event_id = _event_id(request.body)
        if event_id:
            said["id"] = event_id
        shown = [
            {"index": each.index, "code": each.code, "message": each.message}
            for each in result.rejected
            if each.code != NOT_KEPT
        ]
        if shown:
            said["rejected"] = shown[:MAX_SHOWN]
        return Answer(200, [JSON], orjson.dumps(said))

    def refused(self, asked: Asked, problem: Problem) -> Answer:
        """A detail and its causes; over a limit, for how long all categories must wait."""
        headers = [JSON, *problem.headers, (b"x-sentry-error", problem.message.encode("latin-1", "replace"))]
        if problem.retry_after_s:
            headers.append((b"retry-after", b"%d" % problem.retry_after_s))
        if problem.status == 429:
            headers.append(
                (
                    b"x-sentry-rate-limits",
                    b"%d::organization:%b" % (problem.retry_after_s, problem.code.encode()),
                )
            )
        return Answer(
            problem.status, headers, orjson.dumps({"detail": problem.message, "causes": [problem.code]})
        )


class TunnelDialect(SentryDialect):
    """Of envelopes that a page posts to its own origin: the DSN in the envelope holds the key."""

    key_in_body = True

    def key_of_body(self, asked: Asked, body: bytes) -> bytes:
        """The key of the DSN; raise `Problem` where there is none."""
        try:
            key = key_of_dsn(header_of(body).get("dsn"))
        except Rejected as error:
            raise Problem(400, error.code, error.message) from error
        if not key:
            raise unauthorised()
        return key


def _event_id(body: bytes) -> str:
    """The id in the header of an envelope, or in an event."""
    try:
        said = header_of(body).get("event_id")
    except Rejected:
        return ""
    return said if isinstance(said, str) else ""
