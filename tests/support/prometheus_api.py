"""The API of Prometheus over points in memory: asked in this process, or served at an address.

Times are milliseconds UTC. Keys are `one` and `two`, of the tenants 1 and 2, and `writes`, which may not read.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.http.openapi import framework
from services.gateway.query.prometheus.http import router
from services.gateway.query.resources.alerts.alert import Alert
from tests.support.memory_source import MemorySource
from tests.support.wait import until

SCOPES = {"one": (1, "read"), "two": (2, "read"), "writes": (1, "write")}


class MemoryGrants:
    """Grants of the keys above."""

    async def find(self, key_hash: bytes) -> Grant | None:
        """What a key gives."""
        for key, (tenant_id, scope) in SCOPES.items():
            if sha256(key.encode()).digest() == key_hash:
                return Grant(tenant_id, scope, 1.0, 1.0)
        return None


class MemoryAlerts:
    """Alerts by tenant."""

    def __init__(self, alerts: dict[int, list[Alert]] | None = None) -> None:
        self._alerts = alerts or {}

    async def alerts(
        self, tenant_id: int, states: Sequence[str], resolved_since_ms: int, limit: int
    ) -> Sequence[Alert]:
        """Up to `limit` alerts in these states."""
        return [one for one in self._alerts.get(tenant_id, []) if one.state in states][:limit]


def application(source: MemorySource, alerts: dict[int, list[Alert]] | None = None) -> FastAPI:
    """A query half that answers this API alone."""
    made = framework("test")
    made.include_router(
        router(
            KeyCache(MemoryGrants(), spread=lambda s: s),
            source,
            source,
            MemoryAlerts(alerts),
            lambda: source.now_ms,
        )
    )
    return made


def client(app: FastAPI, key: str = "one") -> httpx2.AsyncClient:
    """A client of an application in this process."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://query/prometheus",
        headers={"authorization": f"Bearer {key}"},
    )


async def asked(source: MemorySource, query: str, time_ms: int) -> dict[str, Any]:
    """The body that answers a query at one instant."""
    async with client(application(source)) as http:
        answer = await http.post("/api/v1/query", data={"query": query, "time": str(time_ms / 1000)})
        body: dict[str, Any] = answer.json()
        return body


@asynccontextmanager
async def served(app: FastAPI, port: int) -> AsyncIterator[str]:
    """The application at an address of this machine."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    try:
        await until(started, "the server listens", 20)
        yield f"http://127.0.0.1:{port}/prometheus"
    finally:
        server.should_exit = True
        await serving
