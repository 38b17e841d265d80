"""A gateway process on a topic and tenants of its own, and readers of what it wrote.

Spans are seconds. The process is the real `python -m services.gateway`; a test observes it over HTTP, on the topic and
by its exit code.
"""

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiokafka
import asyncpg
import httpx2

from deploy.kafka import topics
from deploy.postgres.migrate import migrate
from shared.runtime.clock import now_ms
from shared.wire import envelope, events
from shared.wire.topics import EVENTS, METRICS
from tests.support.wait import until

PARTITIONS = 4

_TENANT = """
INSERT INTO tenant (name, points_per_s, points_burst) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING tenant_id
"""
_KEY = (
    "INSERT INTO api_key (key_hash, tenant_id, scope, prefix) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)


@dataclass
class Gateway:
    """One process, its log file and where it writes."""

    kafka: str
    environ: dict[str, str]
    topic: str
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process; does not wait."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.gateway"], env=self.environ, stderr=log
            )

    async def status(self, path: str) -> int:
        """Status of a GET, 0 while nothing listens."""
        try:
            async with httpx2.AsyncClient(base_url=self.url) as client:
                return (await client.get(path)).status_code
        except httpx2.TransportError:
            return 0

    async def answers(self, path: str = "/health/ready", status: int = 200) -> None:
        """Wait until it answers so."""

        async def fact() -> bool:
            return await self.status(path) == status

        await until(fact, f"{path} answers {status}; log: {self.log.read_text()[-2000:]}", 30)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def remove(self) -> None:
        """Make sure nothing is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def post(
        self, body: Any, key: str | None = "write", path: str = "/v1/telemetry", **headers: str
    ) -> httpx2.Response:
        """Post a body, JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json"} | ({"x-api-key": key} if key else {})
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx2.AsyncClient(base_url=self.url, timeout=20) as client:
            return await client.post(path, content=content, headers=given)

    async def batches(self) -> list[tuple[int, envelope.PointBatch]]:
        """Every message of the topic of points with its partition, decoded as the aggregator does."""
        return [
            (partition, envelope.decode(record.value, record.timestamp))
            for partition, record in await self._records(self.topic)
        ]

    async def events(self) -> list[tuple[int, events.Event]]:
        """Every event of the topic of events with its partition, decoded as ingest does."""
        topic = self.topic.removesuffix(METRICS.name) + EVENTS.name
        return [
            (partition, event)
            for partition, record in await self._records(topic)
            for event in events.decode(record.value, record.timestamp).events
        ]

    async def _records(self, topic: str) -> list[tuple[int, Any]]:
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=self.kafka)
        await consumer.start()
        try:
            parts = [aiokafka.TopicPartition(topic, p) for p in range(PARTITIONS)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            found = []
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for part, records in (await consumer.getmany(timeout_ms=200)).items():
                    found += [(part.partition, record) for record in records]
            return found
        finally:
            await consumer.stop()

    async def values(self) -> list[float]:
        """Every value in the topic, ascending."""
        return sorted(value for _, batch in await self.batches() for value in batch.points.value.tolist())


def points(values: Iterable[float], **fields: object) -> dict[str, object]:
    """A body of points with these values, each of a series of its own."""
    return {"points": [{"name": f"m{value:g}", "value": value, "ts": now_ms(), **fields} for value in values]}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def prepare(kafka: str, postgres: str, topic: str) -> None:
    """Make the topics, the tables, two tenants and their keys: write, read, admin, slow, revoked."""
    prefix = topic.removesuffix(METRICS.name)
    mine = [replace(each, name=prefix + each.name) for each in (METRICS, EVENTS)]
    await topics.create(kafka, mine, PARTITIONS)
    await migrate(postgres)
    conn = await asyncpg.connect(postgres)
    try:
        wide = await conn.fetchval(_TENANT, "gateway-wide", 1e9, 1e9)
        slow = await conn.fetchval(_TENANT, "gateway-slow", 1.0, 5.0)
        for key, scope, tenant in (
            ("write", "write", wide), ("read", "read", wide), ("admin", "admin", wide),
            ("slow", "write", slow), ("revoked", "write", wide),
        ):  # fmt: skip
            await conn.execute(_KEY, hashlib.sha256(key.encode()).digest(), tenant, scope, key)
        await conn.execute("UPDATE api_key SET revoked_at = now() WHERE prefix = 'revoked'")
    finally:
        await conn.close()


def gateway(addresses: tuple[str, str, str], prefix: str, folder: Path, **settings: object) -> Gateway:
    """A gateway that is not started; its topic must exist for it to become ready."""
    kafka, postgres, redis = addresses
    port = free_port()
    environ = os.environ | {
        "TIDEGAUGE_KAFKA": kafka, "TIDEGAUGE_POSTGRES": postgres, "TIDEGAUGE_REDIS": redis,
        "GATEWAY_PORT": str(port), "GATEWAY_TOPIC_PREFIX": prefix,
    }  # fmt: skip
    environ |= {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    return Gateway(kafka, environ, prefix + METRICS.name, port, folder / "gateway.log")


def started(addresses: tuple[str, str, str], prefix: str, folder: Path, **settings: object) -> Gateway:
    """A gateway with its topic and tables, started."""
    made = gateway(addresses, prefix, folder, **settings)
    made.start()
    try:
        asyncio.run(prepare(made.kafka, addresses[1], made.topic))
        asyncio.run(made.answers())
    except BaseException:
        made.remove()
        raise
    return made
