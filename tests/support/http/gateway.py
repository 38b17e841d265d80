"""A gateway on a topic and tenants of its own, as two processes, and readers of what it wrote.

Spans are seconds. The processes are the real `python -m services.gateway`, one of each role; a test observes them over
HTTP, on the topic and by their exit codes.
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
from uuid import uuid4

import aiokafka
import asyncpg
import httpx2

from deploy.kafka import topics
from deploy.postgres.migrate import migrate
from services.gateway.intake.publish.refusal_reports import METRIC as REFUSED
from shared.runtime.clock import now_ms
from shared.wire import envelope, events, series
from shared.wire.topics import EVENTS, METRICS, WINDOWS
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
class Process:
    """The process of one role, its ports and its log file."""

    environ: dict[str, str]
    port: int
    metrics_port: int
    log: Path
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its API listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where its health and its metrics are."""
        return f"http://127.0.0.1:{self.metrics_port}"

    def start(self) -> None:
        """Start it; does not wait."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "services.gateway"], env=self.environ, stderr=log
            )

    async def metrics(self) -> str:
        """The text of `/metrics`."""
        async with httpx2.AsyncClient() as client:
            return (await client.get(f"{self.metrics_url}/metrics")).text

    async def shown(self, name: str) -> float:
        """The value of the first instrument whose line begins so, 0 where there is none."""
        lines = (await self.metrics()).splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.running is not None
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(20)

    def remove(self) -> None:
        """Make sure nothing is left of it."""
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()


async def status(url: str) -> int:
    """Status of a GET, 0 while nothing listens."""
    try:
        async with httpx2.AsyncClient() as client:
            return (await client.get(url)).status_code
    except httpx2.TransportError:
        return 0


@dataclass
class Gateway:
    """Both roles, and where they write."""

    kafka: str
    prefix: str
    topic: str
    intake: Process
    query: Process

    @property
    def url(self) -> str:
        """Where the intake listens: post here."""
        return self.intake.url

    @property
    def query_url(self) -> str:
        """Where the queries are answered: look here."""
        return self.query.url

    @property
    def port(self) -> int:
        """Port of the intake."""
        return self.intake.port

    def start(self) -> None:
        """Start both; does not wait."""
        self.intake.start()
        self.query.start()

    async def status(self, path: str) -> int:
        """Status of a GET at the intake's port for health."""
        return await status(self.intake.metrics_url + path)

    async def answers(self, path: str = "/health/ready", code: int = 200) -> None:
        """Wait until the intake answers so, and the query process is ready."""

        async def fact() -> bool:
            ready = await status(f"{self.query.metrics_url}/health/ready")
            return (await self.status(path), ready) == (code, 200)

        logs = "".join(each.log.read_text()[-2000:] for each in (self.intake, self.query))
        await until(fact, f"{path} answers {code}; logs: {logs}", 30)

    async def takes(self) -> None:
        """Wait until a point and an event are let in.

        A process that is ready does not know yet that a broker was killed: its next flush learns it.
        """
        event = {"event_id": uuid4().hex, "type": "probe", "name": "probe", "ts": now_ms()}
        bodies = (("/v1/telemetry", points([0.5])), ("/v1/events", {"events": [event]}))

        async def fact() -> bool:
            return all([(await self.post(body, path=path)).status_code == 202 for path, body in bodies])

        await until(fact, "a point and an event are let in", 30)

    def remove(self) -> None:
        """Make sure nothing is left of them."""
        self.intake.remove()
        self.query.remove()

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
        """Every value in the topic that a client has sent, ascending."""
        found: list[float] = []
        for _, batch in await self.batches():
            ours = {
                slot for slot, packed in enumerate(batch.series) if series.unpack(packed).metric == REFUSED
            }
            rows = zip(batch.points.slot.tolist(), batch.points.value.tolist(), strict=True)
            found += [value for slot, value in rows if slot not in ours]
        return sorted(found)


def points(values: Iterable[float], **fields: object) -> dict[str, object]:
    """A body of points with these values, each of a series of its own."""
    return {"points": [{"name": f"m{value:g}", "value": value, "ts": now_ms(), **fields} for value in values]}


OF_SERVERS = {(503, "unavailable"), (503, "no_ack")}
"""Answers of which a slow broker or a slow Postgres is the reason."""


def refusals(answers: Iterable[httpx2.Response]) -> set[tuple[int, str]]:
    """Status and code of what was not taken, slow servers aside; something was taken."""
    found = {(each.status_code, "" if each.status_code == 202 else each.json()["code"]) for each in answers}
    assert (202, "") in found
    return found - {(202, "")} - OF_SERVERS


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def prepare(kafka: str, postgres: str, topic: str) -> None:
    """Make the topics, the tables, two tenants and their keys: write, read, admin, slow, revoked."""
    prefix = topic.removesuffix(METRICS.name)
    mine = [replace(each, name=prefix + each.name) for each in (METRICS, EVENTS, WINDOWS)]
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
    ports = [free_port(), free_port()]
    environ = os.environ | {
        "TIDEGAUGE_KAFKA": kafka, "TIDEGAUGE_POSTGRES": postgres, "TIDEGAUGE_REDIS": redis,
        "GATEWAY_TOPIC_PREFIX": prefix,
        "GATEWAY_INTAKE_URL": f"http://127.0.0.1:{ports[0]}", "GATEWAY_QUERY_URL": f"http://127.0.0.1:{ports[1]}",
    }  # fmt: skip
    environ |= {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    processes = (_process(environ, *each, folder) for each in zip(("intake", "query"), ports, strict=True))
    return Gateway(kafka, prefix, prefix + METRICS.name, *processes)


def _process(environ: dict[str, str], role: str, port: int, folder: Path) -> Process:
    metrics_port = free_port()
    own = {"GATEWAY_ROLE": role, "GATEWAY_PORT": str(port), "GATEWAY_METRICS_PORT": str(metrics_port)}
    return Process(environ | own, port, metrics_port, folder / f"gateway-{role}.log")


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
