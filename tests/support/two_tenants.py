"""A database in which two tenants have rows of every kind that readers see, and a reader of each.

Every text of a tenant's rows holds a mark of its own, and its numbers are its own: what is seen tells whose it is.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg

from deploy.postgres import readers
from deploy.postgres.migrate import migrate

ROWS = Path(__file__).with_suffix(".sql")

_WATERMARK = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen)
VALUES ('telemetry.metrics.v1', 0, 1, 'worker', 7, 1000, '')
"""

_LOST = "INSERT INTO ledger_1m VALUES (date_trunc('minute', now()), 0, 'telemetry.metrics.v1', 0, 'lost', 3)"


class Tenant(NamedTuple):
    """One of the two."""

    name: str
    mark: str
    """Stands in every text of its rows, its name aside, and nowhere else."""
    figure: int
    """The sum of each of its windows, and the value of its alerts."""


DEMO, SHOP = Tenant("demo", "marked6a", 7001), Tenant("shop", "marked6b", 9002)


class TwoTenants(NamedTuple):
    """Addresses of the database."""

    owner: str
    demo: str
    """That of a reader who is bound to the tenant `demo`."""
    shop: str
    """That of a reader who is bound to the tenant `shop`."""


@asynccontextmanager
async def two_tenants(server: str) -> AsyncIterator[TwoTenants]:
    """A database on this server, which is dropped with its readers."""
    name = f"t{secrets.token_hex(4)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"CREATE DATABASE {name}")
    owner = server.rpartition("/")[0] + "/" + name
    try:
        await _fill(owner)
        both = [await readers.create(owner, [each.name]) for each in (DEMO, SHOP)]
        yield TwoTenants(owner, *both)
        for each in await readers.read_all(owner):
            await readers.drop(owner, each.role)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def role_of(address: str) -> str:
    """The login of an address."""
    return urlsplit(address).username or ""


async def _fill(owner: str) -> None:
    await migrate(owner)
    conn = await asyncpg.connect(owner)
    try:
        for each in (DEMO, SHOP):
            await conn.execute(ROWS.read_text().format(tenant=each.name, mark=each.mark, figure=each.figure))
        await conn.execute(_WATERMARK)
        await conn.execute(_LOST)
        await conn.execute("ANALYZE")
    finally:
        await conn.close()
