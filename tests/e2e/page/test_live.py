"""Live: twenty tabs of one browser share a stream, and what somebody is doing survives the frames that come."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest_asyncio
from playwright.async_api import Browser, Response

from tests.support.page import AT_LENGTH, Tab, logged_in, post, tab, ui
from tests.support.processes.system import QUERY, System
from tests.support.wait import until

pytestmark = AT_LENGTH

TABS = 20
USED = 'bound_used{bound="live_streams"'
FRAMES = 30
"""At most one comes a second."""


class Watched:
    """A page in which somebody has scrolled and begun a brush, and how many answers have come since."""

    def __init__(self, opened: Tab) -> None:
        self.tab = opened
        self.answers = 0
        self.frames = 0
        self.began: tuple[float, dict[str, float] | None] = (0, None)

    def note(self, response: Response) -> None:
        """An answer came."""
        self.answers += "/v1/query" in response.url

    def hear(self, _: object) -> None:
        """A frame came."""
        self.frames += 1

    async def state(self) -> tuple[float, dict[str, float] | None]:
        """How far it is scrolled, and where the brush is."""
        scrolled = await self.tab.page.evaluate("scrollY")
        brush = await self.tab.page.locator("rect.selection").first.bounding_box()
        return scrolled, {name: brush[name] for name in ("y", "height")} if brush else None


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def watched(system: System, browser: Browser) -> AsyncIterator[Watched]:
    """The overview, scrolled and with a brush begun by keyboard, while points come."""
    context = await logged_in(browser, system.query_url, system.key, viewport={"width": 1280, "height": 500})
    made = Watched(await tab(context))
    page = made.tab.page
    await made.tab.opened(ui(system, "overview?from=now-15m"))
    figure = page.get_by_role("figure").first
    await figure.focus()
    for key in ("End", "ArrowLeft", "ArrowLeft", "Enter", "ArrowLeft"):
        await page.keyboard.press(key)
    await page.locator("rect.selection").first.wait_for()
    made.began = await made.state()
    page.on("response", made.note)
    protocol = await context.new_cdp_session(page)
    await protocol.send("Network.enable")
    protocol.on("Network.eventSourceMessageReceived", made.hear)
    coming = asyncio.create_task(points(system))
    yield made
    coming.cancel()
    await context.close()


async def points(system: System) -> None:
    """Responses of the shop, one after the other, for ever."""
    labels = {"endpoint": "/search", "method": "GET", "status": "200"}
    one = {"name": "api.response_seconds", "kind": "delta", "unit": "s", "value": 0.2, "labels": labels}
    while True:
        assert (await post(system, "/v1/telemetry", {"points": [one]})).status_code == 202
        await asyncio.sleep(0.5)  # the rate of a small shop


async def test_scroll_and_brush_survive_thirty_frames(watched: Watched) -> None:
    """Data change, never the layout: the page is as far scrolled, the brush is there, focus is where it was."""

    async def fact() -> bool:
        return watched.answers >= FRAMES

    await until(fact, f"{FRAMES} frames came")
    focused = await watched.tab.page.evaluate("document.activeElement.getAttribute('role')")

    assert (await watched.state(), focused, watched.tab.said) == (watched.began, "figure", [])
    assert watched.began[0] > 0
    assert watched.began[1] is not None


async def test_each_frame_is_heeded(watched: Watched) -> None:
    """A question follows a frame at once, and does not wait for the next turn of every 5 s."""
    answers, frames = watched.answers, watched.frames

    async def fact() -> bool:
        return watched.frames >= frames + FRAMES

    await until(fact, f"{FRAMES} frames came")

    assert watched.answers - answers >= FRAMES * 0.6


async def test_twenty_tabs_of_a_browser_load_and_share_a_stream(
    system: System, browser: Browser, watched: Watched
) -> None:
    """HTTP/1.1 gives a browser six connections: with a stream each, the seventh tab would wait for ever."""
    assert watched
    before = await streams(system)
    context = await logged_in(browser, system.query_url, system.key)
    tabs = [await tab(context) for _ in range(TABS)]
    for opened in tabs:
        await opened.opened(ui(system))
        await opened.page.get_by_role("figure").first.wait_for()
    with_them = await streams(system)
    live = [await opened.page.locator(".chip-state").inner_text() for opened in tabs]
    said = [text for opened in tabs for text in opened.said]
    await context.close()

    assert (with_them - before, said) == (1, [])
    assert [text for text in live if "live" not in text] == []


async def streams(system: System) -> float:
    """Live streams that the queries hold."""
    async with httpx2.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{system.health[QUERY]}/metrics")).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(USED))
