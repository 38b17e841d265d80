"""How InfluxDB's clients ask and are answered: 204, or an error in its JSON with the number of the first bad line.

Both versions of the API: `/api/v2/write` says `{"code", "message"}`, `/write` says `{"error"}`. A request of which some
was refused is 400 with the words `partial write`: clients then drop it, and what was good is kept.
"""

from urllib.parse import parse_qs

import orjson

from services.gateway.auth.schemes import BEARER, key_shown
from services.gateway.http.body import inflate
from services.gateway.http.problems import Headers, Problem
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.dialect import Answer, Asked, Dialect, Fixed
from services.gateway.intake.protocols.influx.map import TEXT_FIELD
from services.gateway.intake.service import IntakeResult

WIRE_BYTES, DECODED_BYTES = 4 << 20, 16 << 20
"""Largest bodies."""

PING, HEALTH, WRITE = "/ping", "/health", "/write"
"""Paths of the API; `/write` is that of version 1."""

SCHEMES = BEARER | {b"token"}

_CODES = {
    400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not found", 405: "method not allowed",
    413: "request too large", 415: "invalid", 429: "too many requests", 503: "unavailable",
}  # fmt: skip

_JSON = (b"content-type", b"application/json; charset=utf-8")


class InfluxDialect(Dialect):
    """Of both versions of the API."""

    media = frozenset[bytes]()
    encodings = {b"gzip": inflate}  # noqa: RUF012 - never changed
    wire_bytes = WIRE_BYTES
    decoded_bytes = DECODED_BYTES
    grows = True  # Telegraf's do

    def key(self, asked: Asked) -> bytes:
        """The key after `Token` or `Bearer`, as the password of `Basic`, or as `p` in the address."""
        password = parse_qs(asked.query.decode("latin-1")).get("p", [])
        return key_shown(asked.headers, SCHEMES, [each.encode() for each in password])

    def taken(self, request: Request, result: IntakeResult) -> Answer:
        """204, or 400 where a line was refused; texts are left out without a word."""
        faults = [refusal for refusal in result.rejected if refusal.code != TEXT_FIELD]
        if not faults:
            return Answer(204, [], b"")
        first = faults[0]
        message = (
            f"partial write: {len(faults)} fields or lines refused, {result.accepted} points kept; "
            f"line {first.index + 1}: {first.code}: {first.message}"
        )
        return Answer(400, [_JSON], _body(request.path, 400, message, first.index + 1))

    def refused(self, asked: Asked, problem: Problem) -> Answer:
        """The problem in InfluxDB's JSON; Telegraf drops what is answered 408, and repeats after 503."""
        status = 503 if problem.status == 408 else problem.status
        headers: Headers = [_JSON, *problem.headers]
        if status in {429, 503}:
            headers.append((b"retry-after", b"%d" % max(1, problem.retry_after_s)))
        message = f"{problem.code}: {problem.message}"
        return Answer(status, headers, _body(asked.path, status, message))


def _body(path: str, status: int, message: str, line: int = 0) -> bytes:
    if path == WRITE:
        return orjson.dumps({"error": message})
    body = {"code": _CODES.get(status, "internal error"), "message": message}
    return orjson.dumps(body | ({"line": line} if line else {}))


def fixed_answers() -> dict[str, Fixed]:
    """What clients ask before they write: whether somebody is there."""
    methods = frozenset({"GET", "HEAD"})
    health = orjson.dumps(
        {"name": "tidegauge", "message": "takes line protocol", "status": "pass", "checks": []}
    )
    return {
        PING: Fixed(methods, lambda _: Answer(204, [(b"x-influxdb-build", b"tidegauge")], b"")),
        HEALTH: Fixed(methods, lambda _: Answer(200, [_JSON], health)),
    }
