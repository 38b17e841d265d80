"""Tenants and their keys: only a key's hash goes to Postgres, the key itself is shown once.

The local system keeps its own keys in `.tidegauge/keys.json`, readable by its owner. The law: whoever reads the
database cannot call the API.
"""

import hashlib
import secrets
from typing import Literal, TypeAlias

import asyncpg

from deploy.local.folder import StateFolder

Scope: TypeAlias = Literal["write", "read", "admin"]

DEMO = "demo"
"""Name of the tenant whose data is this machine's own."""

MEMORY = "keys.json"

PREFIX_LENGTH = 9
"""How much of a key is kept readable, so that its owner can tell which one it is."""

_TENANT = "INSERT INTO tenant (name) VALUES ($1) ON CONFLICT (name) DO NOTHING"

_KEY = """
INSERT INTO api_key (key_hash, tenant_id, scope, prefix)
SELECT $1, tenant_id, $3, $4 FROM tenant WHERE name = $2
ON CONFLICT (key_hash) DO NOTHING"""


def new_key(scope: Scope) -> str:
    """A key of 256 random bits that tells its scope by its third letter."""
    return f"tg_{scope[0]}_{secrets.token_urlsafe(32)}"


async def store(dsn: str, tenant: str, keys: dict[str, Scope]) -> None:
    """Make the tenant, where it is new, and let these keys open it."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(_TENANT, tenant)
            for key, scope in keys.items():
                digest = hashlib.sha256(key.encode("ascii")).digest()
                await connection.execute(_KEY, digest, tenant, scope, key[:PREFIX_LENGTH])
    finally:
        await connection.close()


def demo_keys(folder: StateFolder) -> dict[Scope, str]:
    """The demo tenant's write and read keys, made at the first call and remembered."""
    kept = folder.recall(MEMORY)
    if not kept:
        kept = {"write": new_key("write"), "read": new_key("read")}
        folder.remember(MEMORY, kept)
    return {"write": kept["write"], "read": kept["read"]}
