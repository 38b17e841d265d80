"""psql, signed in as a reader: found, started beside us, and waited for.

Spans are hours. Invariant: the password stands in the environment of psql alone, for every user of a machine sees the
words of a command.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

from deploy.postgres import readers
from shared.errors import Misconfigured

SESSION_H = 24
"""How long the password of a session's own login is good: what is left of a session that was killed ends by itself."""

Run: TypeAlias = Callable[[Sequence[str]], int]
"""Starts psql with these words behind its address, and gives the exit code."""


@contextmanager
def opened(dsn: str, tenant: str) -> Iterator[Run]:
    """Start psql with a login of its own that reads a tenant, which is dropped at the end.

    Raises `Misconfigured` where psql is missing, there is no such tenant, or the user of `dsn` may not make roles.
    """
    found = path()
    address = asyncio.run(readers.create(dsn, [tenant], SESSION_H))
    try:
        yield lambda words: _run(found, address, words)
    finally:
        asyncio.run(readers.drop(dsn, urlsplit(address).username or ""))


@contextmanager
def opened_as(address: str, tenant: str) -> Iterator[Run]:
    """Start psql under the address of a reader. Raises `Misconfigured` where that one does not read the tenant."""
    found = path()
    known = asyncio.run(readers.tenants_of(address))
    if tenant not in known:
        reads = ", ".join(known) or "no tenant"
        raise Misconfigured(f"the login of TIDEGAUGE_READER_POSTGRES reads {reads}, not {tenant!r}")
    yield lambda words: _run(found, address, words)


def path(search: str | None = None, beside: Callable[[], Path] | None = None) -> Path:
    """Find psql on the path, else beside the Postgres that a local system runs. Raises `Misconfigured`."""
    on_path = shutil.which("psql", path=search)
    found = Path(on_path) if on_path else (beside or _beside)() / "psql"
    if not found.is_file():
        raise Misconfigured(
            "psql is not on the path: install the client of Postgres (postgresql-client, libpq), or `tidegauge[local]`"
        )
    return found


def _beside() -> Path:
    try:
        # An installation for production lacks what this imports.
        from deploy.local.servers.postgres import binaries  # noqa: PLC0415

        return binaries()
    except (Misconfigured, ModuleNotFoundError):
        return Path("/nowhere")


def _run(psql: Path, address: str, words: Sequence[str]) -> int:
    parts = urlsplit(address)
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=f"{name}@{place}" if name else place))
    secret = {"PGPASSWORD": unquote(password)} if password else {}
    # Ctrl-C is psql's: it cancels the statement.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        command = [str(psql), bare, *words]
        return subprocess.run(
            command, env=os.environ | {"PGAPPNAME": "tidegauge sql"} | secret, check=False
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)
