"""One process of a consumer, and the group that gives it partitions: the real pump and its real loop in between.

Spans are seconds. Members learn of a new assignment at different times: some own their partitions long before another
gives its own up. A failure that ends a real process ends it here, and it is started again.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.stream import group as timing
from shared.stream.pump import Pump
from shared.stream.runtimes import pump_symptoms
from shared.stream.runtimes.aiokafka_runtime import Runtime
from shared.stream.runtimes.watchdog import CHECK_EVERY_S, Watchdog
from tests.support.simulated.kafka import MemoryConsumer
from tests.support.simulated.loop import Process, SimulatedLoop
from tests.support.simulated.network import Network
from tests.support.simulated.store import MemoryCheckpoints


@dataclass(eq=False)
class MemoryGroup:
    """Assigns all partitions to those who are members now."""

    network: Network
    chance: random.Random
    parts: Sequence[TopicPartition]
    generation: int = 0
    members: dict["SimulatedWorker", None] = field(default_factory=dict)

    def join(self, worker: "SimulatedWorker") -> None:
        """Make it a member."""
        self.members[worker] = None
        self.rebalance()

    def leave(self, worker: "SimulatedWorker") -> None:
        """It is a member no longer, whether it knows or not."""
        if worker in self.members:
            del self.members[worker]
            self.rebalance()

    def rebalance(self) -> None:
        """Assign anew; each member learns of it in its time."""
        self.generation += 1
        parts, members = list(self.parts), list(self.members)
        self.chance.shuffle(parts)
        for number, worker in enumerate(members):
            assigned = self.generation, parts[number :: len(members)]
            self.network.later(self.network.way_s(), worker.inbox.put_nowait, assigned)


@dataclass(eq=False)
class SimulatedWorker:
    """One process, from its start to its end."""

    loop: SimulatedLoop
    group: MemoryGroup
    consumer: MemoryConsumer
    pump: Pump[Any]
    checkpoints: MemoryCheckpoints
    ended: Callable[["SimulatedWorker"], object]
    """Told once when it is no more."""

    def __post_init__(self) -> None:
        self.process = Process(self.loop)
        self.inbox: asyncio.Queue[tuple[int, list[TopicPartition]]] = asyncio.Queue()
        self.stopping = asyncio.Event()
        self._runtime = Runtime(self.pump, self.consumer, (), self.die)
        self._watchdog = Watchdog(pump_symptoms.of(self.pump), self.die)
        self._checked_s = self.loop.time()
        for job in (self._consume(), self._rebalances()):
            self.process.start(job).add_done_callback(self._fail_on_bug, context=Context())
        self.group.join(self)
        self.group.network.later(CHECK_EVERY_S, self._check)

    async def _consume(self) -> None:
        tasks = [
            asyncio.create_task(self.pump.run_commits(self._runtime.mirror)),
            asyncio.create_task(self.pump.run_watch(())),
        ]
        for task in tasks:
            task.add_done_callback(self._fail_on_bug, context=Context())
        while not self.stopping.is_set():
            await self._runtime.turn(self.stopping)
        for task in tasks:
            task.cancel()
        self._runtime.mirror(await self.pump.drain())
        self.group.leave(self)
        self._end()

    async def _rebalances(self) -> None:
        generation = 0
        while True:
            latest, parts = await self.inbox.get()
            if latest <= generation:
                continue
            generation = latest
            await self._runtime.on_partitions_revoked(list(self.consumer.positions))
            self.consumer.assign(parts)
            try:
                async with asyncio.timeout(timing.ACQUIRE_S):
                    await self._runtime.acquire(parts)
            except (Unavailable, TimeoutError, KafkaError):
                self.die("partitions could not be acquired")

    def _fail_on_bug(self, task: asyncio.Task[None]) -> None:
        if self.process.alive and not task.cancelled() and (problem := task.exception()) is not None:
            self.loop.fail(problem)

    def _check(self) -> None:
        """The watchdog's thread; a frozen process has none that runs."""
        if not self.process.alive:
            return
        now_s = self.loop.time()
        if not self.process.frozen:
            self._watchdog.beat_s = now_s
            self._watchdog.check(now_s, now_s - self._checked_s)
            self._checked_s = now_s
        self.group.network.later(CHECK_EVERY_S, self._check)

    def die(self, reason: str, code: int = 70) -> None:
        """End at once, whether it ends itself or is killed; Kafka and the store learn of it later."""
        if self.process.alive:
            self._end()
            self.group.network.later(timing.SESSION_S, self.group.leave, self)

    def _end(self) -> None:
        self.process.kill()
        self.group.network.later(self.group.network.way_s(), self.checkpoints.hang_up)
        del self.consumer.log.waiting[self.consumer]
        self.ended(self)

    def freeze(self, span_s: float) -> None:
        """Stand still for so long; beyond its session it has to join again."""
        self.process.freeze()
        if span_s > timing.SESSION_S:
            self.group.network.later(timing.SESSION_S, self.group.leave, self)
        self.group.network.later(span_s, self._thaw)

    def _thaw(self) -> None:
        if self.process.alive:
            self.process.thaw()
            self.group.network.later(self.group.network.way_s(), self._join)

    def _join(self) -> None:
        if self.process.alive and self not in self.group.members:
            self.group.join(self)
