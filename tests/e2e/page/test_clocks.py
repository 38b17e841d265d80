"""Time goes wrong at the browser: its clock is a day off, or it has slept; the page says so and recovers by itself."""

import re
from datetime import timedelta
from itertools import count

import pytest
from playwright.async_api import Browser, Page, expect

from shared.runtime.clock import now_ms
from tests.support.page import AT_LENGTH, logged_in, tab, ui
from tests.support.processes.system import System
from tests.support.wait import until
from tests.support.wires import wire

pytestmark = AT_LENGTH

RECOVERED_MS = 180_000
"""How long a browser may take that first tries each of its dead connections, one after the other for 45 s."""

ANSWERS = 5


async def goes_on(page: Page) -> None:
    """Wait until answers come one after the other."""
    numbers = count(1)
    came: list[int] = []
    page.on("response", lambda one: came.append(next(numbers)) if "/v1/query" in one.url else None)

    async def fact() -> bool:
        return len(came) >= ANSWERS

    await until(fact, f"{ANSWERS} answers came")


@pytest.mark.parametrize(("days", "word"), [(1, "fast"), (-1, "slow")])
async def test_a_clock_that_is_a_day_off_is_said_and_not_heeded(
    system: System, browser: Browser, days: int, word: str
) -> None:
    """Ranges and ages are those of the gateway's clock, the page is live, and each page has its figures."""
    context = await logged_in(browser, system.query_url, system.key)
    opened = await tab(context)
    page, off = opened.page, timedelta(days=days)
    await page.clock.install(time=now_ms() / 1000 + off.total_seconds())
    await opened.opened(ui(system, "overview?from=now-15m"))

    await expect(page.locator(".freshness")).to_contain_text(
        f"this clock is 24 h {word}, times are the gateway's"
    )
    await expect(page.locator(".chip-state")).to_contain_text("live")
    await goes_on(page)
    await expect(page.locator(".chip-state")).to_contain_text("live")
    for name, says in (
        ("pipeline", "= 0: it closes"), ("errors", "TypeError"), ("funnels", "sessions entered"),
        ("vitals?from=now-1h", "/search"),
    ):  # fmt: skip
        await opened.opened(ui(system, name))
        await expect(page.locator("main")).to_contain_text(says)
    await context.close()
    assert opened.said == []


async def test_a_browser_that_slept_for_an_hour_goes_on_by_itself(system: System, browser: Browser) -> None:
    """Its connections died without a word: the page is live again, its document the same, its clock right.

    The clock of the gateway cannot sleep with the browser, so that of the browser is an hour slow before.
    """
    async with wire(system.query_url) as to_gateway:
        context = await logged_in(browser, to_gateway.address, system.key)
        opened = await tab(context)
        page, freshness = opened.page, opened.page.locator(".freshness")
        await page.clock.install(time=now_ms() / 1000 - timedelta(hours=1).total_seconds())
        await opened.opened(f"{to_gateway.address}/ui/overview?from=now-15m")
        await expect(freshness).to_contain_text(re.compile("this clock is (60 min|1 h) slow"))
        await expect(page.locator(".chip-state")).to_contain_text("live")
        await page.evaluate("globalThis.sameDocument = true")
        assert to_gateway.deafen() > 0
        await page.clock.fast_forward("01:00:00")

        await expect(page.locator(".chip-state")).to_contain_text("live", timeout=RECOVERED_MS)
        await goes_on(page)
        await expect(freshness).not_to_contain_text("this clock")
        await expect(page.locator(".problem")).to_have_count(0)
        assert await page.evaluate("globalThis.sameDocument")
        await context.close()
        assert [text for text in opened.said if "ERR_" not in text] == []
