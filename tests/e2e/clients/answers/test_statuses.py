"""Each client as it is shipped, answered with each status: sent again, how often, and whom it tells of a loss.

`TIDEGAUGE_ANSWERS=all` compares all rows of docs/clients/statuses.md with what is seen, `write` writes them.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.folder import ROOT
from tests.e2e.clients.answers import pages, programs, table
from tests.e2e.clients.answers.observed import NOTHING, alike
from tests.e2e.clients.answers.replies import REPLIES, SOME, given
from tests.e2e.clients.answers.scripted import Scripted
from tests.e2e.clients.packages import chromium, modules
from tests.e2e.clients.reporting.programs import PROGRAMS
from tests.support.chromium import Chromium

WANTED = os.environ.get("TIDEGAUGE_ANSWERS", "")
ROWS = tuple(REPLIES) if WANTED else SOME

AT_ONCE = 4
"""Programs that run at the same time."""

OF_A_TENANT = {"400", "403", "413", "415", "422", "429, `Retry-After`", "503", "503, `Retry-After`"}
"""Answers that a tenant sees in `intake.refused`, since its key was known."""

OF_NOBODY = {"401", "404", "421", "none: the connection is closed"}
"""Answers where the address or the key is wrong, so that nobody knows whose data they are; and none at all."""

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Scripted]:
    """A server that gives the answers of these rows."""
    replies = {row: REPLIES[row] for row in ROWS}
    async with Scripted(replies, pages.files(), {"/node_modules": modules()}) as made:
        yield made


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Chromium]:
    """A browser of its own."""
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "clients.browser.build"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    async with Chromium(chromium(), tmp_path) as made:
        yield made


def held_against_the_page(client: str, seen: dict[str, str]) -> None:
    """Compare with the page, or write it."""
    said = table.read()
    if WANTED == "write":
        table.write(said | {client: seen})
        return
    other = {
        row: (said[client][row], cell) for row, cell in seen.items() if not alike(said[client][row], cell)
    }
    assert {} == other, "the page, and what was seen; make answers ARGS=write"


@pytest.mark.parametrize("client", PROGRAMS)
async def test_the_table_says_what_a_program_does(client: str, server: Scripted) -> None:
    """A process for each answer; all signals of OpenTelemetry alike."""
    places = asyncio.Semaphore(AT_ONCE)

    async def cell(row: str) -> str:
        async with places:
            seen = await programs.observed(client, row, server)
        cells = [each.cell(REPLIES[row].status) for each in seen.values()]
        assert all(alike(cells[0], each) for each in cells), cells
        return min(cells)

    held_against_the_page(client, dict(zip(ROWS, await asyncio.gather(*map(cell, ROWS)), strict=True)))


@pytest.mark.parametrize("client", pages.PAGES)
async def test_the_table_says_what_a_page_does(client: str, server: Scripted, browser: Chromium) -> None:
    """A page for each answer, with a storage of its own."""
    seen = {}
    for row in ROWS:
        seen[row] = (await pages.observed(client, row, server, browser)).cell(REPLIES[row].status)

    held_against_the_page(client, seen)


async def test_javascript_says_what_it_loses_where_it_has_a_logger(server: Scripted) -> None:
    """As docs/clients/opentelemetry.md tells its application to do."""
    seen = await programs.observed("OpenTelemetry JavaScript, protobuf", "400", server, LOUD="1")

    assert {"1 try, then log"} == {each.cell(400) for each in seen.values()}


def test_nothing_is_lost_in_silence() -> None:
    """Whatever a client of a tenant may be answered: it delivers, tells of the loss, or its tenant is told by us."""
    said = table.read()
    silent = {
        client: lost
        for client, cells in said.items()
        if (lost := {row for row in given(client) - OF_A_TENANT - OF_NOBODY if cells[row].endswith(NOTHING)})
    }

    assert set(pages.PAGES) | set(PROGRAMS) == set(said)
    assert {} == silent
