"""The publisher: it collects the rows of many requests and writes them in one flush at a time.

A flush starts when many rows wait or when no more come: after 2 ms when idle, 25 ms at most. Only one flush runs at a
time, which keeps the order. Every waiting request gets an outcome within the deadline.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from services.gateway.intake.ports import Outcome
from services.gateway.intake.publish.producer import Batches, Producer, connect
from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.kafka import FAILURES
from shared.runtime.retry import attempts
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

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Flow:
    """Plain counts that `/metrics` shows."""

    flushes: int = 0
    messages: int = 0
    rows: int = 0
    bytes: int = 0
    ticks: int = 0
    producers: int = 0


C = TypeVar("C", bound=Sized)


class KafkaPublisher(Generic[C]):
    """The publisher to one topic; `run` it beside the server. `batches` makes its messages, anew for each producer."""

    def __init__(
        self, kafka: str, topic: str, batches: Callable[[int], Batches[C]], *, deadline_ms: int, stall_ms: int
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._batches = batches
        self._deadline_s = deadline_ms / 1000
        self._stall_s = stall_ms / 1000
        self._producer: Producer[C] | None = None
        self._down = "the producer has not started"
        self._waiting: list[C] = []
        self._rows = 0
        self._waiter: asyncio.Future[Outcome] | None = None
        self._waiting_since_s = 0.0
        self._flushing_since_s: float | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self.flow = Flow()
        """Counts for `/metrics`."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        if len(self._waiting) >= MAX_BATCHES_WAITING:
            return "too many requests wait for a flush"
        if self._producer is None:
            return self._down
        if self.unacked_s() > self._stall_s:
            return f"kafka has not answered for {self._stall_s:g} s"
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
        waiter = self._waiter
        if waiter is None:
            waiter = asyncio.get_running_loop().create_future()
            if self.refusal() is not None or self._closing:
                waiter.set_result(Outcome.NOT_ACCEPTED)
                return waiter
            self._waiter = waiter
            self._waiting_since_s = monotonic_s()
            self._wake.set()
        self._waiting.append(batch)
        self._rows += len(batch)
        return waiter

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
            self._producer = await self._connected()
            if self._producer is None:
                return
            self.flow.producers += 1
            _log.info("producer started", topic=self._topic, partitions=self._producer.partitions)
            failure = await self._serve(self._producer)
            producer, self._producer = self._producer, None
            if failure is not None:
                self._say_down(f"the producer failed: {failure!r}")
            self._shed()
            await producer.stop(broken=failure is not None)

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
                    return await connect(self._kafka, self._topic, self._batches)
                except Unavailable as error:
                    self._down = str(error)
                    raise
        return None

    async def _serve(self, producer: Producer[C]) -> BaseException | None:
        while True:
            await self._pause(producer.batches.due_s() - monotonic_s())
            if self._closing and not self._waiting:
                return None
            await self._collect(producer.partitions * FULL_ROWS)
            failure = await self._flush(producer)
            if failure is not None:
                return failure

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
        batches, self._waiting, self._rows = self._waiting, [], 0
        waiter, self._waiter = self._waiter, None
        self._wake.clear()
        messages, ticks = producer.batches.messages(batches, now_s, now_ms())
        if not messages:
            return None
        waited_s = now_s - self._waiting_since_s if waiter else 0.0
        self._flushing_since_s = now_s
        stalled = asyncio.get_running_loop().call_later(self._stall_s, self._shed)
        try:
            await producer.write(messages, self._deadline_s - waited_s)
        except FAILURES as error:
            self._resolve(waiter, Outcome.UNKNOWN)
            return error
        finally:
            stalled.cancel()
            self._flushing_since_s = None
        self._resolve(waiter, Outcome.ACCEPTED)
        self._count(batches, messages, ticks)
        return None

    def _count(self, batches: list[C], messages: list[tuple[int, bytes]], ticks: int) -> None:
        flow = self.flow
        flow.flushes += 1
        flow.ticks += ticks
        flow.messages += len(messages) - ticks
        flow.rows += sum(map(len, batches))
        flow.bytes += sum(len(value) for _, value in messages)

    def _shed(self) -> None:
        """Give back what waits behind a broker that does not answer: none of it was produced."""
        self._waiting, self._rows = [], 0
        self._resolve(self._waiter, Outcome.NOT_ACCEPTED)
        self._waiter = None

    @staticmethod
    def _resolve(waiter: asyncio.Future[Outcome] | None, outcome: Outcome) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    def _say_down(self, reason: str) -> None:
        if reason != self._down:
            _log.warning("cannot publish", reason=reason)
        self._down = reason
