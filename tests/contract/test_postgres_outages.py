"""Postgres through a failover and beside a backup: no process ends, none waits, and the sums come out exact.

Source: issue 11, "Postgres for years"; faults.md, "Postgres read-only for 20 s" and "a backup holds ACCESS SHARE".
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from tests.support.load.clients import Clients
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]

WORKERS = ("ingest", "aggregator", "alerts")

SECOND = ("ingest-2", "aggregator-2")
"""One more of those, one on each runtime."""

LONG_AGO_S = 1_000_000_000 // 86_400 * 86_400
"""In 2001: past every retention."""

CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

COUNTED = """
SELECT coalesce(sum(count), 0)::bigint AS points FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = 'chaos.sent'
"""

SUMS = """
SELECT extract(epoch FROM window_start)::bigint * 1000 AS start_ms, (labels->>'series')::integer AS series, sum
FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1 AND metric = 'chaos.sent'
"""

EVENTS = "SELECT count(*) AS events FROM event WHERE tenant_id = $1"

PAUSE_S = 0.1
"""Between two events, and before an event is sent again."""

PARTITIONED = ["event", "ledger_1m", "rollup_1m"]

MAKE = "SELECT make_partition(name::regclass, $1, 86400) FROM unnest($2::text[]) AS name"

LEFT = """
SELECT count(*) FROM unnest($2::text[]) AS name WHERE to_regclass(partition_since(name::regclass, $1)) IS NOT NULL
"""

TABLES = """
SELECT format('%I', relname) AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""

OWNERS = "SELECT DISTINCT owner FROM partition_state WHERE topic LIKE $1 || '%'"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """All services; nobody is paged."""
    async with System(stack, tmp_path_factory.mktemp("outages"), "http://127.0.0.1:1/") as made:
        yield made


async def accepted(client: httpx2.AsyncClient, event: dict[str, object]) -> bool:
    """Whether the intake has taken an event."""
    return (await client.post("/v1/events", json={"events": [event]})).status_code == 202


@dataclass
class Traffic:
    """What clients send: points, and events one by one."""

    system: System
    points: Clients
    events: int = 0
    """All that were answered or will be."""

    async def send_events(self, stop: asyncio.Event) -> None:
        """Post until told to stop, each until it is answered."""
        headers = {"x-api-key": self.system.key}
        async with httpx2.AsyncClient(base_url=self.system.url, headers=headers, timeout=20) as client:
            while not stop.is_set():
                self.events += 1
                event = {"event_id": f"event {self.events}", "type": "click", "ts": now_ms()}
                while not await accepted(client, event):  # noqa: ASYNC110 # a client waits and asks again
                    await asyncio.sleep(PAUSE_S)
                await asyncio.sleep(PAUSE_S)


@pytest.fixture(scope="module")
def traffic(system: System) -> Traffic:
    """Clients of the intake."""
    return Traffic(system, Clients((system.url,), system.key, random.Random(1)))


@asynccontextmanager
async def sending(traffic: Traffic) -> AsyncIterator[None]:
    """They post as long as the block, and until all that they have begun is answered."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(traffic.points.send(4, stop))
        group.create_task(traffic.send_events(stop))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def session(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """A session of an administrator."""
    conn = await asyncpg.connect(stack.postgres)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def read_only(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The server takes no writes, as one that is being replaced."""
    async with session(stack) as admin:
        await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await admin.execute("SELECT pg_reload_conf()")
        try:
            yield admin
        finally:
            await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await admin.execute("SELECT pg_reload_conf()")


async def grown(system: System, by: int = 50) -> None:
    """Wait until so many more points are counted than now."""
    before = (await system.sql(COUNTED, system.tenant_id))[0]["points"]

    async def fact() -> bool:
        return bool((await system.sql(COUNTED, system.tenant_id))[0]["points"] >= before + by)

    await until(fact, f"{by} more points are counted")


async def exact(system: System, traffic: Traffic) -> None:
    """Wait until all points and events are in the tables, and compare every sum."""

    async def fact() -> bool:
        points = (await system.sql(COUNTED, system.tenant_id))[0]["points"]
        events = (await system.sql(EVENTS, system.tenant_id))[0]["events"]
        return bool(points >= traffic.points.points and events >= traffic.events)

    await until(fact, f"{traffic.points.points} points and {traffic.events} events are in the tables")
    rows = await system.sql(SUMS, system.tenant_id)
    assert [traffic.events] == [row["events"] for row in await system.sql(EVENTS, system.tenant_id)]
    assert dict(traffic.points.expected) == {
        (row["start_ms"], row["series"]): int(row["sum"]) for row in rows
    }


async def logged(system: System, services: Iterable[str], text: str) -> None:
    """Wait until each of these has logged it."""

    async def fact() -> bool:
        return all(text in system.workers[service].log.read_text() for service in services)

    await until(fact, f"{', '.join(services)} log {text!r}")


async def test_a_failover_ends_no_process_and_costs_no_point(
    stack: Stack, system: System, traffic: Traffic
) -> None:
    """Postgres is read-only, all connections are cut, and partitions change hands meanwhile, on both runtimes."""
    await asyncio.gather(*map(system.start, SECOND))
    async with sending(traffic):
        for service in SECOND:
            await owns(system, service)
        await grown(system)
        async with read_only(stack) as admin:
            await logged(system, WORKERS, "read-only transaction")
            await admin.fetchval(CUT)
            await logged(system, WORKERS, "read_write")
            for service in SECOND:
                system.workers[service].signal(signal.SIGTERM)
            await logged(
                system, [service.partition("-")[0] for service in SECOND], "partitions not acquired yet"
            )
        await grown(system)
    await exact(system, traffic)

    assert {name: [0] for name in SECOND} | {name: [] for name in system.workers if name not in SECOND} == {
        name: worker.exits for name, worker in system.workers.items()
    }


async def owns(system: System, service: str) -> None:
    """Wait until this process owns a partition."""
    pid = system.workers[service].pid

    async def fact() -> bool:
        rows = await system.sql(OWNERS, system.prefix)
        return any(row["owner"].endswith(f"-{pid}") for row in rows)

    await until(fact, f"{service} owns a partition")


async def test_workers_that_restart_beside_a_backup_are_current_before_it_ends(
    stack: Stack, system: System, traffic: Traffic
) -> None:
    """A transaction holds ACCESS SHARE on every table and on partitions past retention; nobody waits for its end."""
    async with sending(traffic), session(stack) as backup:
        await backup.execute(MAKE, LONG_AGO_S, PARTITIONED)
        await grown(system)
        async with backup.transaction():
            names = ", ".join(row["name"] for row in await backup.fetch(TABLES))
            await backup.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
            for service in WORKERS:
                old = system.workers[service]
                old.signal(signal.SIGTERM)
                assert await old.ended(20) == 0
                await system.start(service)
                await owns(system, service)
                await grown(system)
            assert await backup.fetchval(LEFT, LONG_AGO_S, PARTITIONED) == len(PARTITIONED)
    await exact(system, traffic)
