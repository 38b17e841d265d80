"""The publisher: it collects the rows of many requests and writes them in one flush at a time.

A flush starts when many rows wait or when no more come: after 2 ms when idle, 25 ms at most. Only one flush runs at a
time, which keeps the order. Every waiting request gets an outcome within the deadline, by the partitions that hold its
rows; a partition that takes nothing fails its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sized
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

from services.gateway.intake.ports import Outcome
from services.gateway.intake.publish.away import AwayPartitions
from services.gateway.intake.publish.broker_clock import BrokerClock
from services.gateway.intake.publish.flow import Flow
from services.gateway.intake.publish.flushed import NOTHING_PRODUCED, Flushed
from services.gateway.intake.publish.producer import Batches, Producer, Written, connect
from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s
from shared.runtime.kafka import CHECK_S, FAILURES, TopicChanged, TopicCheck
from shared.runtime.lifecycle import background
from shared.runtime.retry import attempts, spread
from shared.wire.topics import DEFAULT_PARTITIONS

STEP_S = 0.002
"""A flush leaves when no point has come for so long."""

PAUSE_S = 0.025
"""A flush leaves after so long at the latest."""

FULL_ROWS = 1000
"""Rows for each partition at which a flush leaves at once."""

NOTE_S = 1.0
"""What was refused waits so long for a message that goes anyway."""

MAX_BATCHES_WAITING = 10_000
"""Requests that wait for a flush, or to be said that all of them was refused; beyond it no more are taken."""

SUCCESSOR_S = 1.0
"""How long requests wait for a new producer in place of one that some partitions have broken."""

_log = structlog.get_logger(__name__)


def _nowhere(_: object) -> Collection[int]:
    return ()


C = TypeVar("C", bound=Sized)


class KafkaPublisher(Generic[C]):
    """The publisher to one topic; `run` it beside the server. `batches` makes its messages, anew for each producer."""

    def __init__(
        self,
        kafka: str,
        topic: str,
        batches: Callable[[int], Batches[C]],
        clock: BrokerClock,
        check: TopicCheck,
        *,
        deadline_ms: int,
        stall_ms: int,
        connecting: Callable[..., Awaitable[Producer[C]]] = connect,
    ) -> None:
        self._connect = connecting
        self._kafka = kafka
        self._topic = topic
        self._batches = batches
        self._clock = clock
        self._check = check
        self._deadline_s = deadline_ms / 1000
        self._stall_s = stall_ms / 1000
        self._producer: Producer[C] | None = None
        self._down = "the producer has not started"
        self._waiting: list[C] = []
        self._rows = 0
        self._waiter: asyncio.Future[Flushed] | None = None
        self._partitions_of: Callable[[C], Collection[int]] = _nowhere
        self._away = AwayPartitions(topic)
        self._partial = False
        self._waiting_since_s = 0.0
        self._flushing_since_s: float | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._changed: TopicChanged | None = None
        self.flow = Flow()
        """Counts for `/metrics`."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        if len(self._waiting) >= MAX_BATCHES_WAITING:
            return "too many requests wait for a flush"
        if self._producer is None:
            return self._down
        if (unread := self._clock.refusal()) is not None:
            return unread
        if self.unacked_s() > self._stall_s:
            return f"kafka has not answered for {self._stall_s:g} s"
        if len(self._away.present) == self._producer.partitions:
            return f"no partition of {self._topic} has a leader"
        return None

    def bound(self, signal: str) -> Bound:
        """Requests that wait for a flush."""
        return Bound(f"{signal}_waiting", "entries", MAX_BATCHES_WAITING, lambda: len(self._waiting))

    def partitions(self) -> int:
        """Partitions of the topic; the declared number until the broker has told."""
        return self._producer.partitions if self._producer else DEFAULT_PARTITIONS

    def unacked_s(self) -> float:
        """Age of the flush that waits for its ack, 0 when none does."""
        return 0.0 if self._flushing_since_s is None else monotonic_s() - self._flushing_since_s

    def publish(self, batch: C) -> Awaitable[Outcome]:
        """Take it now; the outcome comes within the produce deadline."""
        if self._away.present and self._is_away(batch):
            self._wake.set()  # so that somebody looks whether it is back
            return self._outcome(batch, NOTHING_PRODUCED)
        if self._waiter is None:
            if self.refusal() is not None or self._closing:
                return self._outcome(batch, NOTHING_PRODUCED)
            self._waiter = asyncio.get_running_loop().create_future()
            self._waiting_since_s = monotonic_s()
            self._wake.set()
        self._waiting.append(batch)
        self._rows += len(batch)
        return self._outcome(batch, self._waiter)

    async def _outcome(self, batch: C, end: asyncio.Future[Flushed] | Flushed) -> Outcome:
        flushed = end if isinstance(end, Flushed) else await end
        return flushed.outcome(batch, self._partitions_of)

    def _is_away(self, batch: C) -> bool:
        return not self._away.present.isdisjoint(self._partitions_of(batch))

    def note(self, batch: C) -> None:
        """Say what was refused of a request that has nothing to publish, within about a second."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(NOTE_S, self._wake.set)
        self._waiting.append(batch)
        if len(self._waiting) >= MAX_BATCHES_WAITING // 2:
            self._wake.set()

    async def run(self) -> None:
        """Connect and flush until `stop`; a producer that failed is replaced."""
        while not self._closing:
            producer = await self._connected()
            while producer is not None:
                producer = await self._life(producer)

    async def _life(self, producer: Producer[C]) -> Producer[C] | None:
        """Serve with a producer until it fails; one that some partitions have broken has a successor."""
        self._producer, self._partitions_of = producer, producer.batches.partitions_of
        self.flow.producers += 1
        _log.info("producer started", topic=self._topic, partitions=producer.partitions)
        watching = background(self._watch(producer), "watch of the topic")
        failure = await self._serve(producer)
        watching.cancel()
        successor = await self._successor() if self._partial else None
        if successor is None:
            self._producer = None
            if failure is not None:
                changed = isinstance(failure, TopicChanged)
                self._say_down(str(failure) if changed else f"the producer failed: {failure!r}")
            self._shed()
        await producer.stop(broken=failure is not None)
        return successor

    async def _successor(self) -> Producer[C] | None:
        """A new producer, soon: requests go on waiting; None when there is none."""
        self._partial = False
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(SUCCESSOR_S):
                return await self._connect(self._kafka, self._topic, self._batches, self._check)
        return None

    def stop(self) -> None:
        """Flush what waits, then let `run` end."""
        self._closing = True
        self._wake.set()

    async def _connected(self) -> Producer[C] | None:
        """A new producer, however long it takes; None when told to stop meanwhile."""
        async for attempt in attempts("cannot publish", Unavailable):
            with attempt:
                if self._closing:
                    break
                try:
                    return await self._connect(self._kafka, self._topic, self._batches, self._check)
                except Unavailable as error:
                    self._down = str(error)
                    raise
        return None

    async def _serve(self, producer: Producer[C]) -> BaseException | None:
        while True:
            await self._pause(producer.batches.due_s() - monotonic_s())
            if self._changed is not None:
                changed, self._changed = self._changed, None
                return changed
            if self._closing and not self._waiting:
                return None
            await self._collect(producer.partitions * FULL_ROWS)
            failure = await self._flush(producer)
            if failure is not None:
                return failure

    async def _watch(self, producer: Producer[C]) -> None:
        """Let the producer end when its topic is no longer the one that its readers know."""
        while True:
            await asyncio.sleep(spread(CHECK_S))
            try:
                await producer.compare(self._check)
            except TopicChanged as changed:
                self._changed = changed
                self._wake.set()
            except (Unavailable, *FAILURES) as problem:
                # A broker that is away is seen by the next flush; Postgres is asked again.
                _log.info("topic not compared", topic=self._topic, problem=repr(problem))

    async def _pause(self, seconds: float) -> None:
        """Wait until there is something to do, at most so long."""
        if seconds > 0 and not self._wake.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _collect(self, full: int) -> None:
        """Let more gather while it keeps coming."""
        until_s = monotonic_s() + PAUSE_S
        seen = 0
        while seen != self._rows < full and not self._closing and monotonic_s() < until_s:
            seen = self._rows
            await asyncio.sleep(STEP_S)

    async def _flush(self, producer: Producer[C]) -> BaseException | None:
        """Write what waits and settle its waiter; return what went wrong."""
        now_s = monotonic_s()
        self._away.update(producer, now_s)
        batches, self._waiting, self._rows = self._waiting, [], 0
        waiter, self._waiter = self._waiter, None
        self._wake.clear()
        away = self._away.present
        returned = frozenset(id(batch) for batch in batches if self._is_away(batch)) if away else away
        batches = [batch for batch in batches if id(batch) not in returned] if returned else batches
        messages, ticks = producer.batches.messages(batches, now_s, self._clock.now_ms(), away)
        if not messages:
            self._resolve(waiter, Flushed(returned=returned))
            return None
        waited_s = now_s - self._waiting_since_s if waiter else 0.0
        self._flushing_since_s = now_s
        stalled = asyncio.get_running_loop().call_later(self._stall_s, self._shed)
        try:
            sent_s = monotonic_s()
            written = await producer.write(messages, self._stall_s / 2, self._deadline_s - waited_s)
        except FAILURES as error:
            self._resolve(waiter, Flushed(frozenset(range(producer.partitions)), returned))
            return error
        finally:
            stalled.cancel()
            self._flushing_since_s = None
        self._clock.heard(sent_s, written.acks)
        self._resolve(waiter, Flushed(frozenset(written.failed), returned))
        if written.failed:
            return self._failed(written, producer)
        self.flow.count(sum(map(len, batches)), [len(value) for _, value in messages], ticks)
        return None

    def _failed(self, written: Written, producer: Producer[C]) -> Exception:
        """Some partitions, or all, have failed: this producer is finished; the others need not wait for them."""
        self._partial = bool(written.acks) or producer.leaderless().issuperset(written.failed)
        if self._partial:
            self._away.hold(written.failed, monotonic_s())
        return next(iter(written.failed.values()))

    def _shed(self) -> None:
        """Give back what waits behind a broker that does not answer: none of it was produced."""
        self._waiting, self._rows = [], 0
        self._resolve(self._waiter, NOTHING_PRODUCED)
        self._waiter = None

    @staticmethod
    def _resolve(waiter: asyncio.Future[Flushed] | None, end: Flushed) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(end)

    def _say_down(self, reason: str) -> None:
        if reason != self._down:
            _log.warning("cannot publish", reason=reason)
        self._down = reason
