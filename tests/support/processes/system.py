"""The services on shared servers, under a prefix and a tenant of their own, each started again when it is killed.

Processes are the real `python -m services.<name>`. A test observes them as their users do: over HTTP, in the tables, on
the topics and by the webhook.
"""

import asyncio
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import aiokafka
import asyncpg
import httpx2
import orjson

from deploy import api_keys
from deploy.kafka import topics
from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from shared.wire.topics import ALERTS, TOPICS
from tests.support.http.gateway import free_port, status
from tests.support.processes.harness import Worker
from tests.support.stack import signed_in
from tests.support.wait import until

SERVICES = ("gateway", "ingest", "aggregator", "alerts")
"""What a test kills in turn; of the gateway it is the intake."""

QUERY = "gateway-query"
"""The other role of the gateway."""

PARTITIONS = 4


def role_of(service: str) -> str:
    """The role of Postgres that a process signs in as; more of a service are called `ingest-2`, `gateway-2`."""
    name = service.partition("-")[0]
    if name == "gateway":
        return "query" if service == QUERY else "intake"
    return name


@dataclass
class System:
    """A running system."""

    stack: Stack
    folder: Path
    webhook: str
    """Address of the webhook."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of all its services."""
    prefix: str = field(default_factory=lambda: f"s{secrets.token_hex(4)}.")
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("gateway", QUERY)})
    health: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("gateway", QUERY)})
    workers: dict[str, Worker] = field(default_factory=dict)
    tenant_id: int = 0
    key: str = ""
    query_stack: Stack | None = None
    """Where the queries find their servers, unless where the others do."""

    @property
    def url(self) -> str:
        """Where the intake listens: post here."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def query_url(self) -> str:
        """Where the queries are answered: look here."""
        return f"http://127.0.0.1:{self.ports[QUERY]}"

    async def __aenter__(self) -> Self:
        mine = [replace(topic, name=self.prefix + topic.name) for topic in TOPICS]
        await topics.create(self.stack.kafka, mine, PARTITIONS)
        self.key = api_keys.new_key("admin")
        await api_keys.create(self.stack.postgres, self.prefix, self.key, "admin")
        rows = await self.sql("SELECT tenant_id FROM tenant WHERE name = $1", self.prefix)
        self.tenant_id = rows[0]["tenant_id"]
        try:
            await asyncio.gather(*map(self.start, (*SERVICES, QUERY)))
            await self.answers()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.remove() for worker in self.workers.values()))

    async def start(self, service: str, settings: Mapping[str, str] | None = None) -> None:
        """Start a service, or one more process of it; `settings` are its own."""
        stack = self.query_stack if service == QUERY and self.query_stack else self.stack
        environ = stack.environ | {
            "TIDEGAUGE_TOPIC_PREFIX": self.prefix,
            "GATEWAY_ROLE": "query" if service == QUERY else "intake",
            "GATEWAY_PORT": str(self.ports.get(service, 0)),
            "GATEWAY_METRICS_PORT": str(self.health.get(service, 0)),
            "ALERTS_RULES": str(ROOT / "deploy/rules/default.yml"),
            "ALERTS_WEBHOOKS": f"test={self.webhook}",
            **self.settings,
            **(settings or {}),
        }
        address = {"TIDEGAUGE_POSTGRES": signed_in(stack.postgres, role_of(service))}
        worker = Worker(service.partition("-")[0], environ | address, self.folder / f"{service}.log")
        self.workers[service] = await worker.start()

    async def answers(self) -> None:
        """Wait until both roles of the gateway are ready."""
        await until(self._is_ready, "both roles of the gateway are ready")

    async def kill(self, service: str) -> None:
        """End a service without warning, and start it again."""
        self.workers[service].signal(signal.SIGKILL)
        await self.workers[service].ended(5)
        await self.start(service)

    async def get(self, path: str, **params: str | list[str]) -> Any:
        """The answer to a query."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(base_url=self.query_url, headers=headers) as client:
            answer = await client.get(path, params=params)
            return answer.raise_for_status().json()

    async def sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Rows of a query on a connection of its own."""
        conn = await asyncpg.connect(self.stack.postgres, timeout=60)
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
        found = [await status(f"http://127.0.0.1:{port}/health/ready") for port in self.health.values()]
        return set(found) == {200}
