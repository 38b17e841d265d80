"""A running system with a replayed shop, and one Chromium, for all tests of the page."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from tests.support.page import browsers, replay
from tests.support.processes.system import System
from tests.support.wires import Wire, wired
from web.build import PAGE


@pytest.fixture(scope="package")
def build() -> str:
    """The page is built: which build it is."""
    subprocess.run([sys.executable, "-m", "web.build"], cwd=ROOT, check=True, capture_output=True)
    return PAGE.fingerprint()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def wires(stack: Stack) -> AsyncIterator[tuple[Stack, dict[str, Wire]]]:
    """The servers as the queries reach them, by wires that can be cut."""
    async with wired(stack) as made:
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def system(
    build: str,
    stack: Stack,
    wires: tuple[Stack, dict[str, Wire]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    """All services, with the figures of a shop; nobody is paged."""
    assert build
    made = System(stack, tmp_path_factory.mktemp("page"), "http://127.0.0.1:1/", query_stack=wires[0])
    made.settings = {"TIDEGAUGE_WRITE_VERSION": "5", "GATEWAY_INTAKE_URL": made.url}
    async with made:
        await made.sql(
            "UPDATE tenant SET points_per_s = 1e9, points_burst = 1e9 WHERE name = $1", made.prefix
        )
        await replay(made)
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with browsers() as made:
        yield made
