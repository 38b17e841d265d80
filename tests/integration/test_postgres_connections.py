"""Connections through a failover: a server that became read-only, a rotated password, a driver that slips.

Source: faults.md, "Postgres read-only for 20 s", and "a COPY that meets the client's timeout and the server's cancel".
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.errors import Unavailable
from shared.postgres import connections
from shared.postgres.connections import connection
from tests.support.wait import until

pytestmark = pytest.mark.servers


@dataclass
class Role:
    """A role that may sign in, and the file with its password."""

    admin: asyncpg.Connection
    name: str
    passfile: Path
    dsn: str

    async def rotate(self) -> str:
        """A new password for it, and the end of its sessions."""
        password = secrets.token_hex(8)
        await self.admin.execute(f"ALTER ROLE {self.name} PASSWORD '{password}'")
        await self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", self.name
        )
        return password

    def remember(self, password: str) -> None:
        """Write the password where connections read it."""
        self.passfile.write_text(f"*:*:*:{self.name}:{password}\n")
        self.passfile.chmod(0o600)


@pytest_asyncio.fixture
async def role(stack: Stack, tmp_path: Path) -> AsyncIterator[Role]:
    """A role of this test's own; its address names a password file."""
    admin = await asyncpg.connect(stack.postgres)
    name, parts = f"r{secrets.token_hex(4)}", urlsplit(stack.postgres)
    passfile = tmp_path / "passwords"
    await admin.execute(f"CREATE ROLE {name} LOGIN")
    made = Role(
        admin, name, passfile,
        f"postgresql://{name}@{parts.hostname}:{parts.port}{parts.path}?passfile={passfile}",
    )  # fmt: skip
    made.remember(await made.rotate())
    yield made
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", name)
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


async def backend(pool: connections.Pool) -> int:
    """The process of the server that answers."""
    async with connection(pool) as conn:
        found: int = await conn.fetchval("SELECT pg_backend_pid()")
    return found


async def shut_out(pool: connections.Pool) -> bool:
    """Whether the password is refused; at first the connection that was cut may still be found."""
    try:
        await backend(pool)
    except Unavailable as problem:
        return "password authentication failed" in str(problem)
    return False


async def write_read_only(pool: connections.Pool) -> None:
    """Write on a server that has just become read-only."""
    async with connection(pool) as conn:
        await conn.execute("SET default_transaction_read_only = on")
        await conn.execute("CREATE TABLE never ()")


async def copy_for_ever(pool: connections.Pool) -> None:
    """A COPY whose rows never end: the server ends it after 100 ms, and our own limit comes later."""

    async def rows() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"1\n" * 1000

    async with connection(pool) as conn:
        await conn.execute("CREATE TEMPORARY TABLE slow (number integer)")
        await conn.execute("SET statement_timeout = '100ms'")
        await conn.copy_to_table("slow", source=rows(), timeout=0.5)


async def test_a_rotated_password_needs_no_restart(role: Role) -> None:
    """Until the file has it the server is unavailable; then the same pool goes on."""
    pool = await connections.pool(role.dsn, 1)
    before = await backend(pool)
    password = await role.rotate()
    await until(lambda: shut_out(pool), "the old password is refused", 10)
    role.remember(password)

    assert before != await backend(pool)
    pool.terminate()


async def test_a_connection_is_given_up_when_its_server_has_become_read_only(pool: connections.Pool) -> None:
    """The write is put off, and the next one goes to whoever the address leads to by then."""
    before = await backend(pool)
    with pytest.raises(Unavailable, match="read-only transaction"):
        await write_read_only(pool)

    assert before != await backend(pool)


async def test_who_writes_does_not_connect_to_a_read_only_server(role: Role) -> None:
    """Who only reads goes on there."""
    await role.admin.execute(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    writing = await connections.pool(role.dsn, 1)
    reading = await connections.pool(role.dsn, 1, writes=False)

    with pytest.raises(Unavailable, match="read_write"):
        await backend(writing)
    assert await backend(reading)
    reading.terminate()
    writing.terminate()


async def test_a_copy_that_meets_both_limits_at_once_is_unavailable(pool: connections.Pool) -> None:
    """The driver fails inside itself (AttributeError, asyncpg 0.32.0); its connection is not used again."""
    before = await backend(pool)

    with pytest.raises(Unavailable) as caught:
        await copy_for_ever(pool)

    assert isinstance(caught.value.__cause__, AttributeError)
    assert before != await backend(pool)
