"""The secret that keys series ids: a new installation draws one, an old one stays without."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from deploy.postgres.files import FOLDER
from deploy.postgres.migrate import migrate
from services.gateway.intake.adapters.installation import InstallationIds
from shared.errors import Unavailable
from shared.postgres import connections, installation
from shared.wire.series import keyed, series_id

pytestmark = pytest.mark.servers

PACKED = b"\x95\x07\xa1m\xa5gauge\xa0\x80"


async def secret_of(dsn: str) -> bytes:
    """What the services are told."""
    pool = await connections.pool(dsn, 1)
    try:
        return await installation.series_secret(pool, asyncio.Event())
    finally:
        pool.terminate()


async def test_a_new_installation_draws_a_secret(dsn: str) -> None:
    """32 bytes, which stay the same."""
    await migrate(dsn)
    first = await secret_of(dsn)
    await migrate(dsn)

    assert (32, first, True) == (len(first), await secret_of(dsn), len(set(first)) > 8)


async def test_an_installation_in_which_a_worker_has_run_keeps_its_ids(dsn: str, tmp_path: Path) -> None:
    """What it stored and routed was by ids without a key."""
    for file in sorted(FOLDER.glob("*.sql")):
        if file.name < "0024":
            shutil.copy(file, tmp_path)
    await migrate(dsn, tmp_path)
    conn = await asyncpg.connect(dsn)
    await conn.execute(
        "INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, seen) VALUES ('t', 0, 1, 'a', 0, '')"
    )
    await conn.close()
    await migrate(dsn)

    assert b"" == await secret_of(dsn)


async def test_a_process_that_is_told_to_stop_waits_for_no_secret() -> None:
    """Postgres may never come back."""
    pool, stopping = await connections.pool("postgresql://nobody@127.0.0.1:1/none", 1), asyncio.Event()
    stopping.set()

    assert b"" == await installation.series_secret(pool, stopping)


async def test_a_gateway_makes_no_ids_before_it_knows_the_secret(dsn: str) -> None:
    """It would route points to partitions of others."""
    await migrate(dsn)
    pool, ids = await connections.pool(dsn, 1), InstallationIds()
    with pytest.raises(Unavailable, match="secret"):
        ids(PACKED)
    checked = asyncio.create_task(asyncio.sleep(0))
    await ids.learn(pool, checked, asyncio.Event())
    pool.terminate()

    assert keyed(await secret_of(dsn))(PACKED) == ids(PACKED) != series_id(PACKED)
