"""Java's own HttpClient, as docs/clients/java.md has it: what it believes delivered is counted once.

By default it asks for HTTP/2, and a body of unknown length comes in chunks.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from deploy.local.folder import ROOT
from deploy.local.servers.prerequisites import install, java
from deploy.local.stack import Stack
from tests.e2e.agents import tables
from tests.e2e.agents.faults import go_wrong
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(720)]

PAGE = ROOT / "docs/clients/java.md"
SHOP = Path(__file__).with_name("Shop.java")

FEW = 20
"""So many orders come before and after things go wrong."""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


def source(folder: Path) -> Path:
    """One file of the imports and the class of the page, and the application; the first class is the one that runs."""
    (block,) = re.findall(r"```java\n(import .*?)```", PAGE.read_text(), re.DOTALL)
    imports, _, described = block.partition("\n\n")
    own_imports, _, shop = SHOP.read_text().partition("\n\n")
    path = folder / "Shop.java"
    path.write_text(f"{imports}\n\n{own_imports}\n\n{shop}\n\n{described}")
    return path


def launcher() -> str:
    """Java with a compiler, which runs a source file."""
    if shutil.which("javac") is None:
        install(("default-jdk-headless",), print, "A JDK of 17 or newer is missing")
    return java(print)


async def test_what_a_java_application_believes_delivered_is_counted_once(
    system: System, tmp_path: Path
) -> None:
    """Kafka is killed and away for ten seconds meanwhile, then the gateway is killed."""
    shop = await asyncio.create_subprocess_exec(
        launcher(), "-Xmx64m", str(source(tmp_path)), system.url, system.key,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(lambda: has(system, FEW), "the first orders are in the tables", 60)
        await go_wrong(system, killed=True)
        before = await tables.grown(system, "orders")
        await until(lambda: has(system, before + FEW), "orders go on", 60)
        output, _ = await asyncio.wait_for(shop.communicate(b"\n"), 60)
    finally:
        if shop.returncode is None:
            shop.kill()
            await shop.wait()
    said = orjson.loads(output)

    await tables.settled(lambda: has(system, said["delivered"]), f"{said} are in the tables")
    assert 0 == said["refused"]
    assert said["delivered"] == await tables.grown(system, "orders")


async def has(system: System, orders: float) -> bool:
    """Whether there are so many orders."""
    return await tables.grown(system, "orders") >= orders
