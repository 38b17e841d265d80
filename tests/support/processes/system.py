"""The four services on shared servers, under a prefix and a tenant of their own, each started again when it is killed.

Processes are the real `python -m services.<name>`. A test observes them as their users do: over HTTP, in the tables, on
the topics and by the webhook.
"""

import asyncio
import secrets
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import aiokafka
import asyncpg
import httpx2
import orjson

from deploy import tenants
from deploy.kafka import topics
from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from shared.wire.topics import ALERTS, TOPICS
from tests.support.http.gateway import free_port
from tests.support.processes.harness import Worker
from tests.support.wait import until

SERVICES = ("gateway", "ingest", "aggregator", "alerts")
PARTITIONS = 4


@dataclass
class System:
    """A running system."""

    stack: Stack
    folder: Path
    webhook: str
    """Address of the webhook."""
    prefix: str = field(default_factory=lambda: f"s{secrets.token_hex(4)}.")
    port: int = field(default_factory=free_port)
    workers: dict[str, Worker] = field(default_factory=dict)
    tenant_id: int = 0
    key: str = ""

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        mine = [replace(topic, name=self.prefix + topic.name) for topic in TOPICS]
        await topics.create(self.stack.kafka, mine, PARTITIONS)
        self.key = tenants.new_key("admin")
        await tenants.store(self.stack.postgres, self.prefix, {self.key: "admin"})
        rows = await self.sql("SELECT tenant_id FROM tenant WHERE name = $1", self.prefix)
        self.tenant_id = rows[0]["tenant_id"]
        await asyncio.gather(*map(self.start, SERVICES))
        await until(self._is_ready, "the gateway answers", 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.remove() for worker in self.workers.values()))

    async def start(self, service: str) -> None:
        """Start a service."""
        environ = self.stack.environ | {
            "TIDEGAUGE_TOPIC_PREFIX": self.prefix,
            "GATEWAY_PORT": str(self.port),
            "ALERTS_RULES": str(ROOT / "deploy/rules/default.yml"),
            "ALERTS_WEBHOOKS": f"test={self.webhook}",
        }
        worker = Worker(service, environ, self.folder / f"{service}.log")
        self.workers[service] = await worker.start()

    async def kill(self, service: str) -> None:
        """End a service without warning, and start it again."""
        self.workers[service].signal(signal.SIGKILL)
        await self.workers[service].ended(5)
        await self.start(service)

    async def get(self, path: str, **params: str) -> Any:
        """The answer to a query."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers) as client:
            answer = await client.get(path, params=params)
            return answer.raise_for_status().json()

    async def sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Rows of a query on a connection of its own."""
        conn = await asyncpg.connect(self.stack.postgres, timeout=5)
        try:
            return list(await conn.fetch(query, *args))
        finally:
            await conn.close()

    async def published_alerts(self) -> list[dict[str, Any]]:
        """Every transition on the topic of alerts."""
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=self.stack.kafka)
        await consumer.start()
        try:
            parts = [aiokafka.TopicPartition(self.prefix + ALERTS.name, p) for p in range(PARTITIONS)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends, found = await consumer.end_offsets(parts), []
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [orjson.loads(record.value) for record in records]
            return found
        finally:
            await consumer.stop()

    async def _is_ready(self) -> bool:
        try:
            async with httpx2.AsyncClient(base_url=self.url) as client:
                return (await client.get("/health/ready")).status_code == 200
        except httpx2.TransportError:
            return False
