"""A cluster of two aggregators, two intakes and a query process, and faults injected into its processes and servers.

Spans are seconds. Intakes and workers that end themselves are started again, as any supervisor would. When a fault is
over, its target runs again.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

import asyncpg
import httpx2

from deploy import tenants
from deploy.kafka import topics
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s
from shared.wire.topics import METRICS, TOPICS
from tests.support.http.gateway import free_port, status
from tests.support.load.clients import Clients
from tests.support.processes.faults import SERVERS, SERVICES, Fault
from tests.support.processes.harness import Worker
from tests.support.wait import until

PARTITIONS = 4
QUERY = "gateway-query"
"""The process that answers questions; no fault hits it."""
TABLES = {10_000: "rollup_10s", 60_000: "rollup_1m", 900_000: "rollup_15m"}


class Cluster:
    """The running system."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._prefix = f"chaos-{free_port()}."
        self._ports = {name: free_port() for name in SERVICES if name.startswith("gateway")}
        self._health = {name: free_port() for name in (*self._ports, QUERY)}
        self._query_port = free_port()
        self._workers: dict[str, Worker] = {}
        self._locks = {name: asyncio.Lock() for name in (*SERVICES, *SERVERS)}
        self.key = ""
        """Of the tenant whose points they are."""
        self.fault_log: list[str] = []
        """The faults that are over."""
        self.exits: set[int] = set()
        """How processes ended by themselves."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the intakes listen."""
        return tuple(f"http://127.0.0.1:{port}" for port in self._ports.values())

    async def __aenter__(self) -> Self:
        mine = [replace(topic, name=self._prefix + topic.name) for topic in TOPICS]
        await topics.create(self._stack.kafka, mine, PARTITIONS)
        self.key = tenants.new_key("admin")
        await tenants.store(self._stack.postgres, self._prefix, {self.key: "admin"})
        await asyncio.gather(*map(self._start, (*SERVICES, QUERY)))
        await self.answers()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.remove() for worker in self._workers.values()))

    async def _start(self, name: str) -> None:
        environ = self._stack.environ | {
            "TIDEGAUGE_TOPIC_PREFIX": self._prefix,
            "GATEWAY_ROLE": "query" if name == QUERY else "intake",
            "GATEWAY_PORT": str(self._ports.get(name, self._query_port)),
            "GATEWAY_METRICS_PORT": str(self._health.get(name, 0)),
        }
        worker = Worker(name.partition("-")[0], environ, self._folder / f"{name}.log")
        self._workers[name] = await worker.start()

    async def inject(self, planned: Sequence[Fault]) -> None:
        """Inject the faults when they are due; return when all are over."""
        begin_s = monotonic_s()
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                await asyncio.sleep(max(0.0, begin_s + fault.at_s - monotonic_s()))
                group.create_task(self._inject(fault))

    async def _inject(self, fault: Fault) -> None:
        # A server that is slow to come back has its next fault only when it is there.
        async with self._locks[fault.target]:
            begin_s = monotonic_s()
            await self._carry_out(fault)
            self.fault_log.append(f"{fault}; there again after {monotonic_s() - begin_s:.1f} s")

    async def _carry_out(self, fault: Fault) -> None:
        if fault.target in SERVERS:
            await asyncio.to_thread(self._down, fault)
            await asyncio.sleep(fault.away_s)
            await asyncio.to_thread(self._up, fault)
        elif fault.frozen:
            # Whoever has just ended itself, and is being started again, is not there to be frozen.
            with suppress(ProcessLookupError):
                self._workers[fault.target].signal(signal.SIGSTOP)
                await asyncio.sleep(fault.away_s)
                self._workers[fault.target].signal(signal.SIGCONT)
        else:
            await self._kill(fault)

    async def _kill(self, fault: Fault) -> None:
        worker = self._workers[fault.target]
        await worker.remove()
        self.exits |= set(worker.exits)
        await asyncio.sleep(fault.away_s)
        await self._start(fault.target)

    def _down(self, fault: Fault) -> None:
        server = self._stack.servers[fault.target]
        server.freeze() if fault.frozen else server.kill()

    def _up(self, fault: Fault) -> None:
        server = self._stack.servers[fault.target]
        server.thaw() if fault.frozen else server.start()
        server.wait_ready()

    async def answers(self) -> None:
        """Wait until both intakes and the query process are ready."""
        await until(self._is_ready, "all gateways answer", 60)

    async def _is_ready(self) -> bool:
        found = [await status(f"http://127.0.0.1:{port}/health/ready") for port in self._health.values()]
        return set(found) == {200}

    async def counted(self, clients: Clients) -> None:
        """Wait until as many points are in the finest table as were sent, and until the account is closed."""
        self.exits |= {code for worker in self._workers.values() for code in worker.exits}
        await until(lambda: self._holds(clients.points), f"{clients.points} points are in the table", 120)
        await until(self._is_closed, "the ledger closes", 60)

    async def _holds(self, points: int) -> bool:
        rows = await self._sql(
            "SELECT sum(count) AS points FROM rollup_10s JOIN series USING (series_id) JOIN tenant USING (tenant_id) "
            "WHERE name = $1 AND metric = 'chaos.sent'",
            self._prefix,
        )
        return bool(rows[0]["points"] == points)

    async def _is_closed(self) -> bool:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self._query_port}", headers={"x-api-key": self.key}
        ) as client:
            total = (await client.get("/v1/ledger")).json()["total"]
        return bool(total["difference"] == 0)

    async def watermark_ms(self) -> int:
        """Up to when all windows have closed."""
        rows = await self._sql(
            "SELECT min(watermark_ms) AS least FROM partition_state WHERE topic = $1",
            self._prefix + METRICS.name,
        )
        return int(rows[0]["least"])

    async def windows(self, resolution_ms: int) -> dict[tuple[int, int], int]:
        """(Start, number of the series) -> sum of all windows of a tier."""
        rows = await self._sql(
            "SELECT extract(epoch FROM window_start) * 1000 AS start_ms, labels->>'series' AS series, sum "
            f"FROM {TABLES[resolution_ms]} JOIN series USING (series_id) JOIN tenant USING (tenant_id) "
            "WHERE name = $1 AND metric = 'chaos.sent'",
            self._prefix,
        )
        return {(int(row["start_ms"]), int(row["series"])): int(row["sum"]) for row in rows}

    async def _sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        conn = await asyncpg.connect(self._stack.postgres, timeout=5)
        try:
            return list(await conn.fetch(query, *args))
        finally:
            await conn.close()
