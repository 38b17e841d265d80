"""The routes that take points and events in: bare ASGI callables in front of the framework.

A framework's request path costs three times what decoding 100 points does. Bytes and milliseconds as the names say.
Invariant: every request gets one answer of the contract, and a 202 only after the broker's ack.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from services.gateway.auth.http import address_of, api_key_of, check_origin
from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.http.body import Incoming, Limits, Receive, check_objects, unpacked
from services.gateway.http.problems import Problem, not_allowed, refused, unknown
from services.gateway.intake.adapters.http_cors import Crossing
from services.gateway.intake.adapters.http_headers import batch_key_of, conflict, rate_limit_headers
from services.gateway.intake.adapters.intake_batches import Batches, Decode
from services.gateway.intake.adapters.seats import Expectation, Seat, over_quota
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.in_flight import ConcurrencyLimits, InFlight
from services.gateway.intake.domain.refusals import Refusal, Refusals
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.dialect import Answer, Asked, Fixed
from services.gateway.intake.protocols.registry import ProtocolRoute
from services.gateway.intake.publish.event_batches import EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.service import IntakeCounters, IntakeResult, Intakes
from services.gateway.intake.steps import Steps, advanced
from services.gateway.intake.turns import Shed, Turns
from shared.errors import Rejected, Unavailable
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s, now_ms

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

T = TypeVar("T")

Read = tuple[Request, Batches]
"""A request, and what is in it."""

NOBODY = 0
"""Whose a request is until the key in its body has been read."""

TOO_LARGE = frozenset({"too_many_points", "too_many_events"})
"""Codes of a refused body that mean 413; all others mean 400."""


@dataclass(frozen=True, slots=True)
class IntakeContext:
    """What all these routes share."""

    intakes: Intakes[PointIntakeBatch, EventIntakeBatch]
    key_cache: KeyCache
    limits: Limits
    concurrency: ConcurrencyLimits
    in_flight: InFlight
    turns: Turns = field(default_factory=lambda: Turns(2.0, 1024, monotonic_s))
    """Whose body is decoded next."""
    max_items: int = 100_000
    """Points or events of a request of a protocol that has no smaller limit."""
    now_ms: Callable[[], int] = now_ms
    """The time that requests are stamped with."""
    refusals: Refusals = field(default_factory=Refusals)
    """Requests that were refused as a whole."""

    def bounds(self) -> tuple[Bound, Bound, Bound]:
        """What may be under way in all of them."""
        return (
            self.turns.bound(),
            Bound("requests", "entries", self.concurrency.requests, lambda: self.in_flight.requests),
            Bound("bodies", "bytes", self.concurrency.bytes, lambda: self.in_flight.bytes),
        )


class Came(NamedTuple):
    """A body as it came, and what it holds of what may be under way."""

    body: Incoming
    content: bytes
    batch_key: bytes
    seat: Seat


class IntakeRoute:
    """One route of a protocol."""

    def __init__(
        self, context: IntakeContext, route: ProtocolRoute, decode: Decode, counters: IntakeCounters
    ) -> None:
        self._context = context
        self._signals = route.signals
        self._scope = route.scope
        self._dialect = route.dialect
        self._decode = decode
        self._counters = counters
        self._path = route.path
        limits, dialect = context.limits, route.dialect
        self._limits = replace(
            limits,
            wire_bytes=dialect.wire_bytes or limits.wire_bytes,
            decoded_bytes=dialect.decoded_bytes or limits.decoded_bytes,
            objects=limits.objects * (dialect.decoded_bytes or limits.decoded_bytes) // limits.decoded_bytes,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = Incoming(receive, scope["headers"])
        asked = asked_of(scope, body)
        crossing = Crossing(scope["method"], asked.headers)
        seat = Seat(self._context.in_flight, self._context.concurrency)
        try:
            answer = await self._take(scope["method"], asked, body, crossing, seat)
        except Problem as problem:
            self._counters.refused[problem.code] += 1
            answer = self._dialect.refused(asked, problem)
            refusal = Refusal(self._path, answer.status, problem.code)
            self._context.refusals.note(crossing.tenant_id, refusal, asked.headers)
            if problem.status != 408 and not await body.drained():
                answer.headers.append((b"connection", b"close"))
        finally:
            seat.leave()
        if answer is not None:
            await self._answer(send, answer, crossing)

    async def _take(
        self, method: str, asked: Asked, body: Incoming, crossing: Crossing, seat: Seat
    ) -> Answer | None:
        """Every step that may refuse, the cheap ones first; None when the client has left.

        A request holds nothing before its key is known, and is counted to its tenant from then on.
        """
        dialect, context = self._dialect, self._context
        if method != "POST":
            return await self._other(method, asked, body, crossing)
        key = b"" if dialect.key_in_body else dialect.key(asked)
        grant = await self._grant(key, asked, crossing) if key else None
        reason = context.intakes.refusal(self._signals)
        if reason is not None and grant is not None:
            raise refused(reason)
        body.check(self._limits, dialect.media, dialect.encodings)
        batch_key = batch_key_of(asked.headers)
        seat.take(grant.tenant_id if grant else NOBODY, body.announced(self._limits))
        content = await body.read(self._limits)
        if content is None:
            return None
        came, plain = Came(body, content, batch_key, seat), None
        if grant is None:
            plain = await self._in_turn(NOBODY, partial(self._plain, came))
            grant = await self._grant(dialect.key_of_body(asked, plain), asked, crossing)
            if reason is not None:
                raise refused(reason)
        parts: Sequence[bytes] = ()
        if dialect.grows and not batch_key:
            plain = await self._in_turn(grant.tenant_id, partial(self._plain, came))
            parts = await context.intakes.parts(grant.tenant_id, plain)
        reading = self._read(came, asked, grant, plain, parts)
        request, decoded = await self._in_turns(grant.tenant_id, reading)
        result = await context.intakes.accept(grant, decoded, monotonic_s())
        check_result(result, context.intakes.refusal(self._signals))
        return dialect.taken(request, result)

    async def _other(self, method: str, asked: Asked, body: Incoming, crossing: Crossing) -> Answer:
        """The answer to OPTIONS; raise `Problem` for any other method."""
        if method != "OPTIONS":
            raise not_allowed("OPTIONS, POST")
        try:
            keyed = not self._dialect.key_in_body and bool(self._dialect.key(asked._replace(headers=[])))
        except Problem:
            keyed = False
        answer = crossing.options("POST", keyed=keyed)
        if not await body.drained():
            answer.headers.append((b"connection", b"close"))
        return answer

    async def _grant(self, key: bytes, asked: Asked, crossing: Crossing) -> Grant:
        """What the key gives; it must be for such a route and such a page, and its tenant have something left."""
        context = self._context
        grant = (await api_key_of(context.key_cache, key, self._scope, asked.address)).grant
        crossing.tenant_id = grant.tenant_id
        check_origin(grant, asked.headers)
        crossing.grant = grant
        wait_s = context.intakes.wait_s(grant, monotonic_s())
        if wait_s > 0:
            raise over_quota(wait_s)
        return grant

    async def _in_turn(self, tenant_id: int, work: Callable[[], T]) -> T:
        """Do what takes the processor's time, when it is the tenant's turn."""
        turns = self._context.turns
        try:
            expected_s = await turns.begin(tenant_id)
        except Shed as shed:
            raise Problem(
                429, "cpu_share", "cpu: the tenant has its share of the processor's time", 1
            ) from shed
        begin_s = monotonic_s()
        try:
            return work()
        finally:
            turns.end(tenant_id, monotonic_s() - begin_s, expected_s)

    async def _in_turns(self, tenant_id: int, steps: Steps[T]) -> T:
        """The same of work that may take several turns."""
        while True:
            done = await self._in_turn(tenant_id, partial(advanced, steps, monotonic_s))
            if done is not None:
                return done.result

    def _read(
        self, came: Came, asked: Asked, grant: Grant, plain: bytes | None, parts: Sequence[bytes]
    ) -> Steps[Read]:
        """What is in a body, or in the parts that it was cut into."""
        context = self._context
        if plain is None:
            plain = self._plain(came)
        check_objects(plain, self._dialect.marks(asked.media), self._limits.objects)
        request = Request(
            plain, asked.headers, asked.query, grant.tenant_id, context.now_ms(), asked.path, asked.media, grant.scrub,
            Expectation(partial(context.intakes.wait_s, grant), context.max_items),
        )  # fmt: skip
        decoded = yield from self._decoded(request, parts or (plain,), came.batch_key)
        return request, decoded

    def _plain(self, came: Came) -> bytes:
        """A body unpacked, and the room that it takes then."""
        plain = unpacked(came.content, self._dialect.encodings.get(came.body.encoding), self._limits)
        came.seat.fit(len(plain))
        return plain

    def _decoded(self, request: Request, parts: Sequence[bytes], batch_key: bytes) -> Steps[Batches]:
        try:
            return (yield from self._decode.in_parts(request, parts, batch_key))
        except Rejected as error:
            raise Problem(413 if error.code in TOO_LARGE else 400, error.code, error.message) from error
        except Unavailable as error:
            raise refused(str(error)) from error

    async def _answer(self, send: Send, answer: Answer, crossing: Crossing) -> None:
        self._counters.requests[answer.status] += 1
        if crossing.grant is not None:
            now_s = monotonic_s()
            answer.headers.extend(rate_limit_headers(self._context.intakes.allowance(crossing.grant, now_s)))
        answer.headers.extend(crossing.headers())
        await send_answer(send, answer)


class FixedRoute:
    """A path with the same answer for everyone."""

    def __init__(self, fixed: Fixed) -> None:
        self._fixed = fixed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; its body does not matter."""
        body = Incoming(receive, scope["headers"])
        asked = asked_of(scope, body)
        methods = ", ".join(sorted(self._fixed.methods))
        crossing = Crossing(scope["method"], asked.headers)
        if scope["method"] in self._fixed.methods:
            answer = self._fixed.answer(asked)
        elif scope["method"] == "OPTIONS":
            answer = crossing.options(methods, keyed=False)
        else:
            problem = not_allowed(f"OPTIONS, {methods}")
            answer = Answer(problem.status, problem.all_headers(), problem.body())
        answer.headers.extend(crossing.headers())
        if not await body.drained():
            answer.headers.append((b"connection", b"close"))
        await send_answer(send, answer)


def asked_of(scope: Scope, body: Incoming) -> Asked:
    """What is known of a request before its body is read."""
    return Asked(scope["path"], scope["query_string"], scope["headers"], body.media, address_of(scope))


async def send_answer(send: Send, answer: Answer) -> None:
    """Send it, with its length."""
    status, headers, content = answer
    if status != 204:  # RFC 9110 8.6
        headers.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def check_result(result: IntakeResult, refusal: str | None) -> None:
    """Raise `Problem` unless the request was taken, or refused one by one."""
    if result.retry_after_s > 0:
        raise over_quota(result.retry_after_s)
    if result.conflict:
        raise conflict()
    if result.outcome is Outcome.NOT_ACCEPTED:
        raise refused(refusal or "kafka does not answer")
    if result.outcome is Outcome.UNKNOWN:
        raise unknown()
