"""How OTLP's exporters are answered: in the content type of the request, 200 with what was refused, errors as `Status`.

Sources: the specification of OTLP/HTTP, and what the exporters of Python, JavaScript and Go do with an answer. They
come again after 429, 502, 503 and 504 alone, for ten seconds in all: whatever may pass is 503, with a pause of seconds.
"""

import zlib
from collections.abc import Collection
from types import MappingProxyType

import orjson

from services.gateway.http.body import inflate, too_large
from services.gateway.http.problems import Headers, Problem
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.dialect import JSON_MARKS, Answer, Asked, Dialect
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from services.gateway.intake.protocols.otlp.schema import MESSAGES
from services.gateway.intake.service import IntakeResult

MAX_BYTES = 20 << 20
"""Largest body, as it comes and decompressed: Python's exporter sends all points of a process in one request."""

MAX_RETRY_AFTER_S = 3
"""Longest pause that is asked for: an exporter that is told to wait longer than its ten seconds drops the batch."""

TOLD = 5
"""Reasons that a partial success names."""

BODY_TOO_SLOW, UNAVAILABLE = 408, 503

_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 10, 413: 3, 415: 3, 429: 8, 503: 14}
"""HTTP status -> code of google.rpc."""
_INTERNAL = 13


def inflate_zlib(body: bytes, limit: int) -> bytes:
    """A body in the zlib format, which HTTP calls deflate; raise `Problem` for anything else or too much."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, "bad_deflate", "body: is not in the zlib format") from error
    if len(plain) > limit:
        raise too_large(limit)
    if not stream.eof or stream.unused_data:
        raise Problem(400, "bad_deflate", "body: must be one whole zlib stream")
    return plain


class OtlpDialect(Dialect):
    """Of exporters of metrics, logs and traces."""

    media = frozenset({JSON, PROTOBUF})
    wire_bytes = MAX_BYTES
    decoded_bytes = MAX_BYTES
    encodings = MappingProxyType({b"gzip": inflate, b"deflate": inflate_zlib})

    def __init__(self, items: str) -> None:
        self._items = items
        """What a partial success counts: `DataPoints`, `LogRecords` or `Spans`."""

    def marks(self, media: bytes) -> Collection[bytes]:
        """In protobuf the tag of points or records, which is that of keys or values as well."""
        if media == JSON:
            return JSON_MARKS
        return (b"\x0a",) if self._items == "DataPoints" else (b"\x12",)

    def taken(self, request: Request, result: IntakeResult) -> Answer:
        """200, with the number of refused items and some of the reasons."""
        refused = len({rejection.index for rejection in result.rejected})
        warnings = [warning.message for warning in result.warnings]
        if not refused and not warnings:
            return _answer(200, request.media, {}, b"")
        reasons = [f"{one.index}: {one.message}" for one in result.rejected[:TOLD]]
        if len(result.rejected) > TOLD:
            reasons.append("and more")
        told = "; ".join([*reasons, *warnings])
        in_json: dict[str, str] = {"errorMessage": told}
        if refused:
            in_json[f"rejected{self._items}"] = str(refused)
        message = MESSAGES["Response"](partial_success={"rejected": refused, "error_message": told})
        return _answer(200, request.media, {"partialSuccess": in_json}, message.SerializeToString())

    def refused(self, asked: Asked, problem: Problem) -> Answer:
        """A `Status`; what may pass by itself is 503, and comes again within seconds."""
        status = UNAVAILABLE if problem.status == BODY_TOO_SLOW else problem.status
        code, told = _CODES.get(status, _INTERNAL), f"{problem.code}: {problem.message}"
        message = MESSAGES["Status"](code=code, message=told)
        answer = _answer(status, asked.media, {"code": code, "message": told}, message.SerializeToString())
        answer.headers.extend(problem.headers)
        if status in (429, UNAVAILABLE):
            wait_s = min(max(1, problem.retry_after_s), MAX_RETRY_AFTER_S)
            answer.headers.append((b"retry-after", b"%d" % wait_s))
        return answer


def _answer(status: int, media: bytes, in_json: object, in_protobuf: bytes) -> Answer:
    if media == PROTOBUF:
        return Answer(status, [(b"content-type", PROTOBUF)], in_protobuf)
    headers: Headers = [(b"content-type", JSON)]
    return Answer(status, headers, orjson.dumps(in_json))
