"""Something is away while somebody looks: it is said in words, and the page recovers by itself."""

import re
import signal
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from deploy.local.stack import Stack
from tests.support.page import AT_LENGTH, Tab, listened, tab, ui
from tests.support.processes.system import QUERY, System
from tests.support.wires import Wire

pytestmark = AT_LENGTH


@pytest_asyncio.fixture(loop_scope="package")
async def opened(system: System, browser: Browser) -> AsyncIterator[Tab]:
    """A tab of somebody who has logged in; what is away is no error of the page."""
    async with listened(browser, system, "Failed to load resource|ERR_") as made:
        yield made


def chip(opened: Tab) -> Locator:
    """How fresh the page is, as its frame says."""
    return opened.page.locator(".chip-state")


async def test_a_gateway_that_restarts_is_waited_for(system: System, opened: Tab) -> None:
    """Figures stay, with their age; when it answers again the page is live, nothing was loaded anew."""
    other = await tab(opened.page.context)
    await opened.opened(ui(system, "overview?from=now-15m"))
    await other.opened(ui(system, "explore?metric=web_vital.lcp"))
    await expect(chip(opened)).to_contain_text("live")
    await opened.page.evaluate("globalThis.sameDocument = true")
    system.workers[QUERY].signal(signal.SIGKILL)
    await system.workers[QUERY].ended(10)
    await expect(chip(opened)).to_contain_text(re.compile("offline, last answer .* ago"))
    await expect(opened.page.get_by_text("Nothing answers: this is the last answer").first).to_be_visible()
    await expect(opened.page.get_by_role("figure").first).to_be_visible()
    await system.start(QUERY)

    await expect(chip(opened)).to_contain_text("live")
    await expect(chip(other)).to_contain_text("live")
    await expect(opened.page.get_by_text("Nothing answers")).to_have_count(0)
    assert await opened.page.evaluate("globalThis.sameDocument")


async def test_a_page_that_is_opened_while_postgres_is_away_says_so(
    system: System, wires: tuple[Stack, dict[str, Wire]], opened: Tab
) -> None:
    """Each page that needs the tables says what is away; then who looks is known, and figures come by themselves."""
    names = ("pipeline", "errors", "funnels", "keys")
    tabs = {name: opened if name == names[0] else await tab(opened.page.context) for name in names}
    wire = wires[1]["postgres"]
    wire.cut()
    try:
        for name, one in tabs.items():
            await one.page.goto(ui(system, name))
        for name in names[:3]:
            await expect(tabs[name].page.locator(".problem").first).to_contain_text("unavailable")
        await expect(tabs["keys"].page.locator(".tenant")).to_have_count(0)
    finally:
        wire.mend()

    for one in tabs.values():
        await expect(one.page.locator(".tenant")).to_contain_text(system.prefix)
        await expect(one.page.locator(".problem")).to_have_count(0)
    await expect(tabs["keys"].page.get_by_role("table")).to_be_visible()


async def test_a_page_that_is_open_when_postgres_goes_away_keeps_its_figures(
    system: System, wires: tuple[Stack, dict[str, Wire]], opened: Tab
) -> None:
    """The last account stays with a word on what is away, and goes on when it is back."""
    await opened.opened(ui(system, "pipeline"))
    await opened.says("= 0: it closes")
    wire = wires[1]["postgres"]
    wire.cut()
    try:
        await expect(opened.page.locator(".problem").first).to_contain_text("unavailable")
        await expect(opened.page.get_by_text("= 0: it closes").first).to_be_visible()
    finally:
        wire.mend()

    await expect(opened.page.locator(".problem")).to_have_count(0)


async def test_while_kafka_stands_still_figures_stay_and_are_called_old(
    system: System, stack: Stack, opened: Tab
) -> None:
    """The frame says since when nothing new comes, the pipeline what is away; then both are as before."""
    other = await tab(opened.page.context)
    await opened.opened(ui(system, "overview?from=now-15m"))
    await expect(chip(opened)).to_contain_text("live")
    stack.servers["kafka"].freeze()
    try:
        await expect(chip(opened)).to_contain_text(re.compile(r"stalled since \d\d:\d\d"))
        await expect(opened.page.get_by_role("figure").first).to_be_visible()
        await other.opened(ui(system, "pipeline"))
        await expect(other.page.locator("main")).to_contain_text("kafka down")
    finally:
        stack.servers["kafka"].thaw()

    await expect(other.page.locator("main")).to_contain_text("kafka up")
    for one in (opened, other):
        await expect(chip(one)).to_contain_text("live")
        await expect(one.page.locator(".problem")).to_have_count(0)


async def test_without_redis_the_page_goes_on_and_the_pipeline_says_so(
    system: System, wires: tuple[Stack, dict[str, Wire]], opened: Tab
) -> None:
    """Nothing that is shown needs it."""
    other = await tab(opened.page.context)
    await other.opened(ui(system))
    wire = wires[1]["redis"]
    wire.cut()
    try:
        await opened.opened(ui(system, "pipeline"))
        await expect(opened.page.locator("main")).to_contain_text(re.compile("redis (down|away|unavailable)"))
        await other.opened(ui(system, "latency"))
        await expect(other.page.get_by_role("figure").first).to_be_visible()
    finally:
        wire.mend()

    await expect(opened.page.locator("main")).to_contain_text("redis up")
