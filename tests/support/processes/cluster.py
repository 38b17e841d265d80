"""A cluster of two aggregators, two intakes and a query process, and faults injected into its processes and servers.

Spans are seconds. One process in three of an intake has a wrong clock. Intakes and workers that end themselves are
started again, as any supervisor would. When a fault is over, its target runs again.
"""

import asyncio
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

import asyncpg
import httpx2

from deploy import api_keys
from deploy import status as looking
from deploy.kafka import topics
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s
from shared.wire.topics import METRICS, TOPICS
from tests.support.http.gateway import free_port, status
from tests.support.load.clients import Clients
from tests.support.processes.faketime import wrong_clock
from tests.support.processes.faults import SERVERS, SERVICES, Fault
from tests.support.processes.harness import Worker
from tests.support.wait import until

PARTITIONS = 4

WRONG = 1 / 3
"""Share of the processes of intakes that have a wrong clock."""

AHEAD_S = (5, 15, 960, 3_660, -90)
"""How far their clocks are ahead."""

QUERY = "gateway-query"
"""The process that answers questions; no fault hits it."""

LINES = 12
"""How many lines of each log a failed run shows."""

TABLES = {10_000: "rollup_10s", 60_000: "rollup_1m", 900_000: "rollup_15m"}


class Cluster:
    """The running system."""

    def __init__(self, stack: Stack, folder: Path, chance: random.Random) -> None:
        self._stack, self._folder, self._chance = stack, folder, chance
        self._prefix = f"chaos-{free_port()}."
        self._ports = {name: free_port() for name in SERVICES if name.startswith("gateway")}
        self._health = {name: free_port() for name in (*self._ports, QUERY)}
        self._query_port = free_port()
        self._workers: dict[str, Worker] = {}
        self._locks = {name: asyncio.Lock() for name in (*SERVICES, *SERVERS)}
        self.key = ""
        """Of the tenant whose points they are."""
        self.fault_log: list[str] = []
        """The faults that are over, and the wrong clocks."""
        self.exits: set[int] = set()
        """How processes ended by themselves."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the intakes listen."""
        return tuple(f"http://127.0.0.1:{port}" for port in self._ports.values())

    async def __aenter__(self) -> Self:
        mine = [replace(topic, name=self._prefix + topic.name) for topic in TOPICS]
        await topics.create(self._stack.kafka, mine, PARTITIONS)
        self.key = api_keys.new_key("admin")
        await api_keys.create(self._stack.postgres, self._prefix, self.key, "admin")
        try:
            await asyncio.gather(*map(self._start, (*SERVICES, QUERY)))
            await self.answers()
        except BaseException:
            # Nobody else would end them, and they would slow down every run that follows.
            await self._remove()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._remove()

    async def _remove(self) -> None:
        await asyncio.gather(*(worker.remove() for worker in self._workers.values()))

    async def _start(self, name: str) -> None:
        environ = self._stack.environ | {
            "TIDEGAUGE_TOPIC_PREFIX": self._prefix,
            "GATEWAY_ROLE": "query" if name == QUERY else "intake",
            "GATEWAY_PORT": str(self._ports.get(name, self._query_port)),
            "GATEWAY_METRICS_PORT": str(self._health.get(name, 0)),
            "GATEWAY_MAX_CLOCK_OFFSET_MS": "86400000",
        }
        if name in self._ports and self._chance.random() < WRONG:
            ahead_s = self._chance.choice(AHEAD_S)
            environ |= wrong_clock(ahead_s)
            self.fault_log.append(f"{name} starts with a clock that is {ahead_s} s ahead")
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

    def bugs(self) -> list[str]:
        """What services have logged of bugs; the exit code is that of a process that ends itself."""
        lines = (line for log in self._folder.glob("*.log") for line in log.read_text().splitlines())
        return [
            line for line in lines if '"event":"process failed"' in line or '"event":"task failed"' in line
        ]

    async def answers(self) -> None:
        """Wait until both intakes and the query process are ready."""
        await until(self._is_ready, "all gateways answer", 120)

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

    async def state(self) -> str:
        """For whoever reads of a failed run: what is stopped, what each partition has and what was logged last."""
        found = await looking.run(self._stack.postgres, self._stack.kafka, self._prefix)
        rows = await self._sql(
            "SELECT topic, partition, owner, epoch, attempts, next_offset - offset_base AS stands, watermark_ms, "
            "updated_at FROM partition_state WHERE starts_with(topic, $1) ORDER BY topic, partition",
            self._prefix,
        )
        logs = [f"{log.name}: {line}" for log in self._folder.glob("*.log") for line in _last(log)]
        return "\n".join((*looking.rendered(found), *(str(dict(row)) for row in rows), *logs))

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
        conn = await asyncpg.connect(self._stack.postgres, timeout=60)
        try:
            return list(await conn.fetch(query, *args))
        finally:
            await conn.close()


def _last(log: Path) -> list[str]:
    return log.read_text().splitlines()[-LINES:]
