"""A harness: topics, a tenant and processes of services under one prefix, on shared servers.

Processes are the real `python -m services.<name>`; one that ends itself (exit code 70) is started again, as any
supervisor would. Every wait is on a fact in Postgres or on a process, with a deadline.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import aiokafka
import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.kafka import topics
from shared.runtime.lifecycle import EXIT_GIVEN_UP
from shared.wire.topics import DEADLETTER, METRICS, TOPICS, Topic
from tests.support.load.points import PointLoad, wrong_rows
from tests.support.processes.builds import THIS, Build
from tests.support.processes.topics import deleted, widened
from tests.support.wait import until

PARTITIONS = 6


class Worker:
    """One process of a service."""

    def __init__(self, service: str, environ: Mapping[str, str], log: Path, build: Build = THIS) -> None:
        """A service by its name, or any module that can be started."""
        self._module = service if "." in service else f"services.{service}"
        self._build = build
        self._environ = os.environ | environ
        self.log = log
        self.exits: list[int] = []
        """Exit codes so far."""

    async def start(self) -> "Worker":
        """Start it, and again whenever it ends itself."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._build.command(self._module),
                cwd=self._build.tree,
                env=self._environ,
                stderr=log,
                stdout=log,
            )

    async def _keep(self) -> None:
        while True:
            self.exits.append(await self._process.wait())
            if self.exits[-1] != EXIT_GIVEN_UP:
                return
            await self._spawn()

    @property
    def pid(self) -> int:
        """Its present process."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self, limit_s: float) -> int:
        """Its exit code, once it has ended and is not started again."""
        async with asyncio.timeout(limit_s):
            await asyncio.shield(self._keeper)
        return self.exits[-1]

    async def has_ended(self) -> bool:
        """Whether it has ended at least once."""
        return bool(self.exits)

    async def remove(self) -> None:
        """Make sure nothing is left of it."""
        self._keeper.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@dataclass
class Harness:
    """Topics and workers of one test; `service` is the one under test, others may stand beside it."""

    kafka: str
    postgres: str
    redis: str
    runtime: str
    prefix: str
    tenant_id: int
    folder: Path
    service: str = "aggregator"
    reads: Topic = METRICS
    """What the service under test reads."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What its environment holds besides."""
    workers: list[Worker] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The topic that the service under test reads."""
        return self.prefix + self.reads.name

    def load(self, seed: int) -> PointLoad:
        """A load of points into this harness."""
        return PointLoad(self.kafka, self.topic, PARTITIONS, self.tenant_id, seed)

    async def create(self) -> None:
        """Make the topics."""
        mine = [replace(topic, name=self.prefix + topic.name) for topic in TOPICS]
        await topics.create(self.kafka, mine, PARTITIONS)

    async def worker(
        self, service: str | None = None, build: Build = THIS, settings: Mapping[str, str] | None = None
    ) -> Worker:
        """Start one more process of the service under test, or of another, of this build or another."""
        name = service or self.service
        worker = Worker(
            name,
            self.environ() | dict(settings or {}),
            self.folder / f"{name}-{len(self.workers)}.log",
            build,
        )
        self.workers.append(worker)
        return await worker.start()

    def environ(self) -> dict[str, str]:
        """The environment of its processes."""
        return {
            "TIDEGAUGE_KAFKA": self.kafka,
            "TIDEGAUGE_POSTGRES": self.postgres,
            "TIDEGAUGE_REDIS": self.redis,
            "TIDEGAUGE_TOPIC_PREFIX": self.prefix,
            f"{self.service.upper()}_RUNTIME": self.runtime,
            **self.settings,
        }

    async def remove(self) -> None:
        """End all workers."""
        await asyncio.gather(*(worker.remove() for worker in self.workers))

    async def owned_by(self, *workers: Worker) -> None:
        """Wait until these workers, and no others, own all partitions, each at least one."""

        async def fact() -> bool:
            rows = await self._states()
            owners = {row["owner"] for row in rows}
            wanted = {f"-{worker.pid}" for worker in workers}
            return len(rows) == PARTITIONS and {owner[owner.rindex("-") :] for owner in owners} == wanted

        await self._until(fact, f"{len(workers)} workers own all partitions")

    async def epochs(self) -> dict[int, int]:
        """Epoch of each partition."""
        return {row["partition"]: row["epoch"] for row in await self._states()}

    async def exact(self, load: PointLoad) -> None:
        """Close all windows and check that every point is in the table exactly once."""
        await load.finish()
        await self.caught_up()
        assert not (wrong := await wrong_rows(self.postgres, load, self.tenant_id)), "\n".join(wrong[:10])
        assert load.expected, "nothing was sent"

    async def caught_up(self, reads: Topic | None = None) -> None:
        """Wait until the checkpoints of a topic stand where its log ends now, or further on."""
        topic = self.prefix + (reads or self.reads).name
        ends = await self.ends(topic)

        async def fact() -> bool:
            rows = await self._states(topic)
            at = {row["partition"]: row["next_offset"] - row["offset_base"] for row in rows}
            return all(at.get(partition, -1) >= end for partition, end in ends.items())

        await self._until(fact, f"checkpoints of {topic} at {ends}")

    async def dead_letters(self) -> list[tuple[int, int]]:
        """(partition, offset) of each dead letter in Postgres."""
        rows = await self.sql('SELECT partition, "offset" FROM dead_letter WHERE topic = $1', self.topic)
        return [(row["partition"], row["offset"]) for row in rows]

    async def published_dead_letters(self) -> int:
        """Records on the topic of dead letters."""
        return sum((await self.ends(self.prefix + DEADLETTER.name)).values())

    async def delete_records(self, before_offset: int) -> None:
        """Take the oldest records of every partition away, as retention does."""
        await deleted_records(self.kafka, self.topic, dict.fromkeys(range(PARTITIONS), before_offset))

    async def remake(self) -> None:
        """Delete the topic and make it again."""
        await deleted(self.kafka, self.topic)
        await topics.create(self.kafka, [replace(self.reads, name=self.topic)], PARTITIONS)

    async def widen(self, partitions: int) -> None:
        """Give the topic more partitions."""
        await widened(self.kafka, self.topic, partitions)

    async def pretend(self, partition: int, change: str) -> None:
        """Let a checkpoint say something else of its log."""
        await self.sql(
            f"UPDATE partition_state SET {change} WHERE topic = $1 AND partition = $2", self.topic, partition
        )

    async def counted(self) -> float:
        """Points in the tables."""
        rows = await self.sql(
            "SELECT sum(count) FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1",
            self.tenant_id,
        )
        return float(rows[0][0])

    async def stopped(self, reason: str, partitions: Collection[int] = range(PARTITIONS)) -> None:
        """Wait until these partitions are stopped for that reason."""

        async def fact() -> bool:
            rows = await self.sql("SELECT partition, reason FROM breaker WHERE topic = $1", self.topic)
            stopped = {row["partition"] for row in rows if reason in (row["reason"] or "")}
            return stopped >= set(partitions)

        await self._until(fact, f"partitions are stopped: {reason}")

    async def sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Rows of a query on a connection of its own."""
        conn = await asyncpg.connect(self.postgres, timeout=60)
        try:
            return list(await conn.fetch(query, *args))
        finally:
            await conn.close()

    async def _states(self, topic: str | None = None) -> list[asyncpg.Record]:
        return await self.sql("SELECT * FROM partition_state WHERE topic = $1", topic or self.topic)

    async def ends(self, topic: str | None = None) -> dict[int, int]:
        """Where the logs of a topic end, by partition."""
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=self.kafka)
        await consumer.start()
        try:
            parts = [aiokafka.TopicPartition(topic or self.topic, p) for p in range(PARTITIONS)]
            return {tp.partition: end for tp, end in (await consumer.end_offsets(parts)).items()}
        finally:
            await consumer.stop()

    async def _until(self, fact: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            await until(lambda: _known(fact), what)
        except AssertionError as problem:
            states = [dict(row) | {"snapshot": None} for row in await self._states()]
            logs = "\n".join(worker.log.read_text()[-2000:] for worker in self.workers)
            raise AssertionError(f"{problem}\n{states}\n{logs}") from None


async def _known(fact: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await fact()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


class Feed(Protocol):
    """A load of any kind."""

    async def until(self, stop: asyncio.Event) -> None:
        """Publish until told to stop."""


@contextlib.asynccontextmanager
async def under_load(load: Feed) -> AsyncIterator[None]:
    """The load goes on as long as the block."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.until(stop))
        try:
            yield
        finally:
            stop.set()


async def deleted_records(kafka: str, topic: str, before_offset: Mapping[int, int]) -> dict[int, int]:
    """Take away the records of each partition below an offset, -1: all; where each log begins now."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        begins = await admin.delete_records(
            {
                aiokafka.TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)
                for partition, offset in before_offset.items()
            }
        )
        return {part.partition: offset for part, offset in begins.items()}
    finally:
        await admin.close()
