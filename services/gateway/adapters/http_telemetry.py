"""`POST /v1/telemetry`, the hot route: a bare ASGI callable in front of the framework.

A framework's request path costs three times what decoding 100 points does. Bytes and milliseconds as the names say. The
law: every request gets one answer of the contract, and a 202 only after the broker's ack.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import msgspec

from services.gateway.adapters.decoders.native import Decoded, Decoder
from services.gateway.adapters.http_body import Incoming, Limits, Receive, inflate, too_large
from services.gateway.adapters.http_errors import Headers, Problem, refused, unknown
from services.gateway.adapters.http_keys import holder_of, key_of
from services.gateway.domain.admission import Rejection
from services.gateway.ports import Outcome
from services.gateway.service import Intake, KeyRing, Receipt, Tally
from shared.errors import Rejected
from shared.runtime.clock import monotonic_s, now_ms

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PATH = "/v1/telemetry"
"""Where points are posted."""

TOO_LARGE = frozenset({"too_many_points"})
"""Codes of a refused body that mean 413; all others mean 400."""


class Answer(msgspec.Struct):
    """The body of 202 and 422."""

    accepted: int
    rejected: list[Rejection]


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be under way at once."""

    requests: int
    bytes: int


class Telemetry:
    """The route."""

    def __init__(
        self, ring: KeyRing, intake: Intake, decoder: Decoder, tally: Tally, *, limits: Limits, budget: Budget
    ) -> None:
        self._ring = ring
        self._intake = intake
        self._decoder = decoder
        self._tally = tally
        self._limits = limits
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        tally = self._tally
        body = Incoming(receive, scope["headers"])
        reserved = min(body.length or 0, self._limits.wire_bytes) or self._limits.wire_bytes
        tally.open_requests += 1
        tally.inflight_bytes += reserved
        try:
            receipt = await self._take(scope, body)
            if receipt is not None:
                await self._answer(send, *_answer(receipt))
        except Problem as problem:
            headers = problem.all_headers()
            if problem.status != 408 and not await body.drained():
                headers.append((b"connection", b"close"))
            await self._answer(send, problem.status, headers, problem.body())
        finally:
            tally.open_requests -= 1
            tally.inflight_bytes -= reserved

    async def _take(self, scope: Scope, body: Incoming) -> Receipt | None:
        """Every step that may refuse, the cheap ones first; None when the client has left."""
        if scope["method"] != "POST":
            raise Problem(
                405, "method_not_allowed", "only POST is answered here", headers=[(b"allow", b"POST")]
            )
        key = key_of(scope["headers"])
        reason = self._intake.refusal() or self._overload()
        if reason is not None:
            raise refused(reason)
        holder = await holder_of(self._ring, key, "write")
        body.check(self._limits)
        content = await body.read(self._limits)
        if content is None:
            return None
        received_at_ms = now_ms()
        decoded = self._decoded(body, content, holder.grant.tenant_id, received_at_ms)
        receipt = await self._intake.accept(
            holder, decoded.catalogue, decoded.points, decoded.rejected,
            received_at_ms=received_at_ms, now_s=monotonic_s(),
        )  # fmt: skip
        if receipt.retry_after_s > 0:
            raise Problem(
                429, "rate_limited", "over the tenant's points a second", ceil(receipt.retry_after_s)
            )
        if receipt.outcome is Outcome.NOT_ACCEPTED:
            raise refused(self._intake.refusal() or "kafka does not answer")
        if receipt.outcome is Outcome.UNKNOWN:
            raise unknown()
        return receipt

    def _decoded(self, body: Incoming, content: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        if body.encoding == b"gzip":
            content = inflate(content, self._limits.decoded_bytes)
        elif len(content) > self._limits.decoded_bytes:
            raise too_large(self._limits.decoded_bytes)
        try:
            return self._decoder.decode(content, tenant_id, received_at_ms)
        except Rejected as error:
            raise Problem(413 if error.code in TOO_LARGE else 400, error.code, error.message) from error

    def _overload(self) -> str | None:
        if self._tally.inflight_bytes > self._budget.bytes:
            return "too many bytes are under way"
        if self._tally.open_requests > self._budget.requests:
            return "too many requests are under way"
        return None

    async def _answer(self, send: Send, status: int, headers: Headers, content: bytes) -> None:
        self._tally.requests[status] += 1
        headers.append((b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _answer(receipt: Receipt) -> tuple[int, Headers, bytes]:
    status = 202 if receipt.accepted else 422
    content = (
        _encode(Answer(receipt.accepted, receipt.rejected))
        if receipt.rejected
        else b'{"accepted":%d,"rejected":[]}' % receipt.accepted
    )
    return status, [(b"content-type", b"application/json")], content
