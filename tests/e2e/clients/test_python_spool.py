"""An application with a spool is killed at random moments, while gateway and Kafka come and go: all saved counts once.

`TIDEGAUGE_KILLS` says how often it is killed; `make kills` does so fifty times.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

import tidegauge_client
from deploy.local.stack import Stack
from tests.e2e.clients.spool_app import POINTS
from tests.support.processes.system import System
from tests.support.wait import until
from tidegauge_client import Telemetry

APP = Path(__file__).with_name("spool_app.py")

KILLS = int(os.environ.get("TIDEGAUGE_KILLS", "8"))

LIVES_S = (0.0, 2.5)
"""How long an application lives once it has started: from no group to many."""

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120 + 15 * KILLS)]


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


async def lived(system: System, spool: Path, number: int, life_s: float) -> set[int]:
    """The groups that an application said it had saved before it was killed."""
    environ = os.environ | {"PYTHONPATH": str(Path(tidegauge_client.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, APP, system.url, system.key, spool, str(number),
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert b"started\n" == await process.stdout.readline()
    out = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(life_s):
            while line := await process.stdout.readline():
                out += line
    process.kill()
    out += await process.stdout.read()
    await process.wait()
    return {int(line) for line in out.split(b"\n")[:-1]}


async def coming_and_going(system: System, stack: Stack, over: asyncio.Event) -> None:
    """The gateway is killed, and Kafka stands still, until all is over."""
    chance = random.Random(KILLS)
    while not over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), chance.uniform(1, 4))
        if chance.random() < 0.5:
            await system.kill("gateway")
            continue
        stack.servers["kafka"].freeze()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), chance.uniform(1, 8))
        finally:
            stack.servers["kafka"].thaw()


async def all_lived(system: System, spool: Path) -> set[tuple[int, int]]:
    """The groups that the applications said they had saved; three at a time share the folder."""
    chance, turns = random.Random(KILLS), asyncio.Semaphore(3)
    lives_s = [chance.uniform(*LIVES_S) for _ in range(KILLS)]

    async def one(number: int) -> set[tuple[int, int]]:
        async with turns:
            return {(number, group) for group in await lived(system, spool, number, lives_s[number])}

    return set[tuple[int, int]]().union(*await asyncio.gather(*map(one, range(KILLS))))


async def sums(system: System) -> dict[tuple[int, int], float]:
    """The sum of each group, by the number of its application."""
    rows = await system.sql(
        "SELECT metric, labels->>'group' AS group, sum(sum) AS total FROM rollup_15m JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric LIKE 'spooled.%' GROUP BY 1, 2",
        system.tenant_id,
    )
    return {(int(row["metric"].partition(".")[2]), int(row["group"])): row["total"] for row in rows}


def counted(total: float) -> list[int]:
    """How often each point of a group was counted."""
    return [int(total) // 4**power % 4 for power in range(POINTS)]


async def test_all_that_an_application_had_saved_counts_once(
    system: System, stack: Stack, tmp_path: Path
) -> None:
    """However often it is killed; what it had not saved counts once at most, and nothing is left on disk."""
    spool, over = tmp_path / "spool", asyncio.Event()
    trouble = asyncio.create_task(coming_and_going(system, stack, over))
    saved = await all_lived(system, spool)
    over.set()
    await trouble
    await system.answers()
    telemetry = Telemetry(system.url, system.key, spool=spool)

    async def sent() -> bool:
        return telemetry.stats.queued == 0 and not list(spool.glob("*/*.batch"))

    async def there() -> bool:
        found = await sums(system)
        return all(counted(found.get(each, 0)) == [1] * POINTS for each in saved)

    try:
        await until(sent, "what the applications left is sent")
        await until(there, "all that was saved has counted")
    finally:
        telemetry.close()
    found = await sums(system)
    assert {} == {each: counted(total) for each, total in found.items() if max(counted(total)) > 1}
    assert ({}, 0) == (telemetry.stats.dropped, telemetry.stats.damaged)
    assert saved
    total = (await system.get("/v1/ledger"))["total"]
    assert (0, 0) == (total["conflict"], total["difference"])
    figures = {"kills": KILLS, "saved": len(saved), "counted": len(found), "repeats": total["duplicate"]}
    print(figures)  # noqa: T201  shown by -s
