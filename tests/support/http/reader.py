"""A reading tenant: its key, its rows, and another tenant whose rows it must never see.

Every test has tenants of its own, so that no row of another test is in its answers.
"""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2

from tests.support.http.gateway import Gateway


@dataclass(frozen=True)
class Reader:
    """A tenant with a read key at a gateway."""

    postgres: str
    url: str
    tenant_id: int
    key: str

    async def ask(self, path: str, key: str = "", **params: Any) -> httpx2.Response:
        """GET with its key, or another."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=90) as client:
            return await client.get(path, params=params, headers={"x-api-key": key or self.key})

    async def send(
        self, method: str, path: str, body: Any = None, key: str = "", **params: Any
    ) -> httpx2.Response:
        """A request with its key, or another, and a body of JSON."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=90) as client:
            return await client.request(
                method, path, params=params or None, json=body, headers={"x-api-key": key or self.key}
            )

    async def key_of(self, scope: str) -> str:
        """One more key of its tenant."""
        key = f"{scope}-{uuid4().hex}"
        statement = "INSERT INTO api_key (key_hash, tenant_id, scope, prefix) VALUES ($1, $2, $3, '')"
        await self.write(statement, (hashlib.sha256(key.encode()).digest(), self.tenant_id, scope))
        return key

    async def write(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """Run a statement once for each row of arguments."""
        conn = await asyncpg.connect(self.postgres)
        try:
            await conn.executemany(statement, rows or [()])
        finally:
            await conn.close()


async def reader(postgres: str, gateway: Gateway) -> Reader:
    """A new tenant with a read key."""
    name = f"reader-{uuid4().hex}"
    conn = await asyncpg.connect(postgres)
    try:
        tenant = await conn.fetchval("INSERT INTO tenant (name) VALUES ($1) RETURNING tenant_id", name)
        key_hash = hashlib.sha256(name.encode()).digest()
        await conn.execute("INSERT INTO api_key VALUES ($1, $2, 'read', '')", key_hash, tenant)
    finally:
        await conn.close()
    return Reader(postgres, gateway.query_url, tenant, name)
