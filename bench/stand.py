"""What the figures stand on: the local servers, and for each figure a database, topics and a tenant of its own.

Milliseconds and seconds as the names say. Two figures share nothing but the servers, and a process that a figure has
started is gone when the figure ends. A room belongs to a build: its tables and services are those of that commit.
"""

import asyncio
import hashlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import psutil  # type: ignore[import-untyped]  # ships no types

from bench.figure import Invalid
from deploy.kafka import topics
from deploy.local.process import Child, bound_to_us
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s
from shared.wire.topics import DEFAULT_PARTITIONS, TOPICS, Topic
from tests.support.processes.builds import THIS, Build

ROOT = THIS.tree
READY_S = 60.0
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Room:
    """The database, tenant and topics of one figure."""

    stack: Stack
    folder: Path
    prefix: str
    postgres: str
    tenant_id: int
    key: str
    build: Build

    @property
    def environ(self) -> dict[str, str]:
        """What services read to work in this room."""
        return {
            "TIDEGAUGE_KAFKA": self.stack.kafka,
            "TIDEGAUGE_POSTGRES": self.postgres,
            "TIDEGAUGE_REDIS": self.stack.redis,
            "TIDEGAUGE_TOPIC_PREFIX": self.prefix,
        }

    async def add_topic(self, name: str, partitions: int) -> str:
        """Create one more topic; its full name."""
        full = self.prefix + name
        await _create_topics(self.stack.kafka, [replace(TOPICS[0], name=full)], partitions)
        return full


@asynccontextmanager
async def room(
    stack: Stack, folder: Path, topic_prefix: str | None = None, build: Build = THIS
) -> AsyncIterator[Room]:
    """A fresh database and tenant, and fresh topics unless those of an earlier room are named."""
    name = f"bench_{secrets.token_hex(4)}"
    prefix = f"{name}." if topic_prefix is None else topic_prefix
    dsn = urlunsplit(urlsplit(stack.postgres)._replace(path=f"/{name}"))
    await _execute(stack.postgres, f"CREATE DATABASE {name}")
    try:
        await _migrate(dsn, build)
        if topic_prefix is None:
            await _create_topics(
                stack.kafka, [replace(t, name=prefix + t.name) for t in TOPICS], DEFAULT_PARTITIONS
            )
        tenant_id, key = await _tenant(dsn)
        yield Room(stack, folder, prefix, dsn, tenant_id, key, build)
    finally:
        await _execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def _migrate(dsn: str, build: Build) -> None:
    process = await asyncio.create_subprocess_exec(
        *build.tidegauge("migrate"), cwd=build.tree, env={**os.environ, "TIDEGAUGE_POSTGRES": dsn},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = (await process.communicate())[0].decode()
    if process.returncode:
        raise Invalid(f"tidegauge migrate: {printed[-500:]}")


async def _create_topics(kafka: str, declared: list[Topic], partitions: int) -> None:
    await topics.create(kafka, declared, partitions)


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _tenant(dsn: str) -> tuple[int, str]:
    """A tenant with more quota than any figure needs, and its key."""
    key = secrets.token_urlsafe(24)
    connection = await asyncpg.connect(dsn)
    try:
        tenant_id = await connection.fetchval(
            "INSERT INTO tenant (name, points_per_s, points_burst) VALUES ('bench', 1e9, 1e9) RETURNING tenant_id"
        )
        await connection.execute(
            "INSERT INTO api_key (key_hash, tenant_id, scope, prefix) VALUES ($1, $2, 'admin', 'bench')",
            hashlib.sha256(key.encode()).digest(),
            tenant_id,
        )
    finally:
        await connection.close()
    return tenant_id, key


class Process:
    """A process under test: its CPU and its memory, from outside."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._root = psutil.Process(child.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def _tree(self) -> list[psutil.Process]:
        if not self._child.alive:
            raise Invalid(str(self._child.exit_error()))
        return [self._root, *self._root.children(recursive=True)]

    def cpu_s(self) -> float:
        """User and system seconds that the process and its children have used, the ended ones included."""
        ended = sum(self._root.cpu_times()[2:4])
        return float(ended + sum(self._each(lambda process: sum(process.cpu_times()[:2]))))

    def resident_bytes(self) -> int:
        """Resident memory of the process and its children."""
        return int(sum(self._each(lambda process: process.memory_info().rss)))

    def kill(self) -> None:
        """End it without warning."""
        self._child.kill()

    def _each(self, figure: Callable[[psutil.Process], float]) -> Iterator[float]:
        """The figure of each process; one that ends while we look has none of its own any more."""
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                yield figure(process)

    async def settled_cpu_s(self, limit_s: float = 60.0) -> float:
        """CPU seconds once it has finished what was begun: a quarter of a second almost without work."""
        end_s, before = monotonic_s() + limit_s, self.cpu_s()
        while monotonic_s() < end_s:
            await asyncio.sleep(0.25)
            now = self.cpu_s()
            if now - before <= 0.03:
                return now
            before = now
        raise Invalid(f"still busy {limit_s:g} s after the load ended")


@contextmanager
def started(
    module: list[str], folder: Path, environ: Mapping[str, str], build: Build = THIS
) -> Iterator[Process]:
    """`python -m module...` in the tree of a build, ended with the block."""
    words = [part for part in module if not part.startswith("-")] + [build.commit[:7]]
    name = "-".join(filter(None, words)).replace(":", ".")
    environ = {**environ, "PYTHONWARNINGS": "ignore"}
    with running(name, build.command(*module), folder, environ, build.tree) as process:
        yield process


@contextmanager
def running(
    name: str, command: list[str], folder: Path, environ: Mapping[str, str], cwd: Path = ROOT
) -> Iterator[Process]:
    """Any program, ended with the block; what it prints is kept as `name`.log."""
    child = Child(name, folder / f"{name}.log", folder, environ=environ, cwd=cwd)
    child.start(bound_to_us(command))
    try:
        yield Process(child)
    finally:
        child.stop(15, STOP_S)


async def until(
    what: str, process: Process, condition: Callable[[], object], limit_s: float = READY_S
) -> None:
    """Wait until the awaited `condition()` is true, while the process lives."""
    end_s = monotonic_s() + limit_s
    while not await condition():  # type: ignore[misc]
        process.cpu_s()
        if monotonic_s() > end_s:
            raise Invalid(f"{what}: not within {limit_s:g} s")
        await asyncio.sleep(0.02)


async def until_ready(process: Process, *ports: int) -> None:
    """Wait until GET /health/ready is answered 200 at one of the ports."""
    async with aiohttp.ClientSession() as session:

        async def answers(port: int) -> bool:
            try:
                async with session.get(f"http://127.0.0.1:{port}/health/ready") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        async def ready() -> bool:
            return any([await answers(port) for port in ports])

        await until("ready", process, ready)


async def gateway(running: ExitStack, room: Room, **settings: str) -> tuple[Process, int]:
    """A gateway of the room's build that is ready, and its port; `settings` are further variables."""
    port, health = free_port(), free_port()
    # Builds before the gateway had two roles know neither the role nor a port for health, and heed neither.
    environ = {"GATEWAY_ROLE": "intake", "GATEWAY_PORT": str(port), "GATEWAY_METRICS_PORT": str(health)}
    process = running.enter_context(
        started(["services.gateway"], room.folder, room.environ | environ | settings, room.build)
    )
    await until_ready(process, port, health)
    return process, port


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
