"""The servers that tests share: started once a session, in a folder that nobody else uses.

Tests never use the servers of a system that happens to run: an address in the environment counts only when
`TIDEGAUGE_TEST_GIVEN=1` is set.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from deploy.local.run_sync import run_sync
from deploy.local.stack import Stack
from deploy.postgres import roles
from deploy.postgres.migrate import migrate

PASSWORD = "of-every-role"  # of servers that live as long as the tests

OWN: Mapping[str, str] = {}
"""An environment without addresses: every server is started."""


def signed_in(dsn: str, role: str) -> str:
    """The address under which a service signs in as its role."""
    return roles.address_of(dsn, role, PASSWORD)


def note(step: str) -> None:
    """Say what the supervisor does, past pytest's capture: an installation may take a minute."""
    print(f"  servers: {step}", file=sys.__stderr__, flush=True)


@contextmanager
def migrated(folders: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with tables: in `TIDEGAUGE_TEST_DIR`, where it is quick the second time, else in a fresh folder."""
    kept = os.environ.get("TIDEGAUGE_TEST_DIR")
    # Tests that run side by side have servers of their own.
    beside = os.environ.get("PYTEST_XDIST_WORKER", "")
    folder = Path(kept, beside) if kept else folders.mktemp("servers")
    folder.mkdir(parents=True, exist_ok=True)
    environ = os.environ if os.environ.get("TIDEGAUGE_TEST_GIVEN") == "1" else OWN
    with Stack.up(folder, durable=False, say=note, environ=environ) as stack:
        run_sync(_prepare(stack.postgres))
        run_sync(roles.apply(stack.postgres, dict.fromkeys(roles.GRANTS, PASSWORD)))
        yield stack


async def _prepare(dsn: str) -> None:
    """Tables; ids of series without a key, as in an installation of before 0.2.0, for loads route by themselves."""
    await migrate(dsn)
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("UPDATE installation SET series_secret = ''")
    finally:
        await conn.close()
