"""The routes that take points and events in: bare ASGI callables in front of the framework.

A framework's request path costs three times what decoding 100 points does. Bytes and milliseconds as the names say.
Invariant: every request gets one answer of the contract, and a 202 only after the broker's ack.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from services.gateway.auth.http import api_key_of, key_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.body import Incoming, Limits, Receive, inflate, too_large
from services.gateway.http.problems import Headers, Problem, refused, unknown
from services.gateway.intake.adapters.http_idempotency import batch_key_of, conflict
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.series_limit import SeriesLimitWarning
from services.gateway.intake.ports import IntakeBatch, Outcome
from services.gateway.intake.service import InFlight, Intake, IntakeCounters, IntakeResult
from shared.errors import Rejected
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s, now_ms

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
C = TypeVar("C", bound=IntakeBatch)

TOO_LARGE = frozenset({"too_many_points", "too_many_events"})
"""Codes of a refused body that mean 413; all others mean 400."""


class IntakeAnswer(msgspec.Struct, omit_defaults=True):
    """The body of 202 and 422."""

    accepted: int
    rejected: list[Rejection]
    warnings: list[SeriesLimitWarning] = []


class DecodedBatch(NamedTuple, Generic[C]):
    """A request as the log takes it, and what is not in it."""

    batch: C
    rejected: list[Rejection]


BatchDecoder = Callable[[Request, bytes], DecodedBatch[C]]
"""A request and its `Idempotency-Key` (empty: none) to what is in it; raises `Rejected` when nothing can be taken."""


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """What may be under way at once."""

    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class IntakeContext:
    """What all these routes share."""

    key_cache: KeyCache
    limits: Limits
    concurrency: ConcurrencyLimits
    in_flight: InFlight

    def bounds(self) -> tuple[Bound, Bound]:
        """What may be under way in all of them."""
        return (
            Bound("requests", "entries", self.concurrency.requests, lambda: self.in_flight.requests),
            Bound("bodies", "bytes", self.concurrency.bytes, lambda: self.in_flight.bytes),
        )


class IntakeRoute(Generic[C]):
    """One route; `beacon`: browsers post to it without headers, so the key may stand in the query."""

    def __init__(
        self,
        context: IntakeContext,
        intake: Intake[C],
        decode: BatchDecoder[C],
        counters: IntakeCounters,
        *,
        beacon: bool = False,
    ) -> None:
        self._context = context
        self._intake = intake
        self._decode = decode
        self._counters = counters
        self._beacon = beacon

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        in_flight, wire_bytes = self._context.in_flight, self._context.limits.wire_bytes
        body = Incoming(receive, scope["headers"])
        reserved = min(body.length or 0, wire_bytes) or wire_bytes
        in_flight.requests += 1
        in_flight.bytes += reserved
        try:
            result = await self._take(scope, body)
            if result is not None:
                await self._answer(send, *_answer(result))
        except Problem as problem:
            headers = problem.all_headers()
            if problem.status != 408 and not await body.drained():
                headers.append((b"connection", b"close"))
            await self._answer(send, problem.status, headers, problem.body())
        finally:
            in_flight.requests -= 1
            in_flight.bytes -= reserved

    async def _take(self, scope: Scope, body: Incoming) -> IntakeResult | None:
        """Every step that may refuse, the cheap ones first; None when the client has left."""
        if scope["method"] != "POST":
            raise Problem(
                405, "method_not_allowed", "only POST is answered here", headers=[(b"allow", b"POST")]
            )
        key = key_of(scope["headers"], scope["query_string"] if self._beacon else b"")
        reason = self._intake.refusal() or self._overload()
        if reason is not None:
            raise refused(reason)
        api_key = await api_key_of(self._context.key_cache, key, "write")
        body.check(self._context.limits, plain_text=self._beacon)
        batch_key = batch_key_of(scope["headers"])
        content = await body.read(self._context.limits)
        if content is None:
            return None
        request = Request(
            self._plain(body, content),
            scope["headers"],
            scope.get("query_string", b""),
            api_key.grant.tenant_id,
            now_ms(),
        )
        batch, rejected = self._decoded(request, batch_key)
        result = await self._intake.accept(api_key.grant, batch, rejected, monotonic_s())
        if result.retry_after_s > 0:
            raise Problem(
                429,
                "rate_limited",
                "over the tenant's points and events a second",
                ceil(result.retry_after_s),
            )
        if result.conflict:
            raise conflict()
        if result.outcome is Outcome.NOT_ACCEPTED:
            raise refused(self._intake.refusal() or "kafka does not answer")
        if result.outcome is Outcome.UNKNOWN:
            raise unknown()
        return result

    def _plain(self, body: Incoming, content: bytes) -> bytes:
        limit = self._context.limits.decoded_bytes
        if body.encoding == b"gzip":
            return inflate(content, limit)
        if len(content) > limit:
            raise too_large(limit)
        return content

    def _decoded(self, request: Request, batch_key: bytes) -> DecodedBatch[C]:
        try:
            return self._decode(request, batch_key)
        except Rejected as error:
            raise Problem(413 if error.code in TOO_LARGE else 400, error.code, error.message) from error

    def _overload(self) -> str | None:
        if self._context.in_flight.bytes > self._context.concurrency.bytes:
            return "too many bytes are under way"
        if self._context.in_flight.requests > self._context.concurrency.requests:
            return "too many requests are under way"
        return None

    async def _answer(self, send: Send, status: int, headers: Headers, content: bytes) -> None:
        self._counters.requests[status] += 1
        headers.append((b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _answer(result: IntakeResult) -> tuple[int, Headers, bytes]:
    status = 202 if result.accepted else 422
    content = (
        _encode(IntakeAnswer(result.accepted, result.rejected, result.warnings))
        if result.rejected or result.warnings
        else b'{"accepted":%d,"rejected":[]}' % result.accepted
    )
    return status, [(b"content-type", b"application/json")], content
