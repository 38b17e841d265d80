"""The address is the state: Back, Forward and a reload show the same text and the same pixels as the first time."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from shared.runtime.clock import now_ms
from tests.support.page import AT_LENGTH, NARROW, WIDE, Tab, logged_in, tab, ui
from tests.support.pixels import differing
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = AT_LENGTH

MOST_DIFFERING = 0.002
"""Share of pixels: how text is smoothed may differ."""

SHIFTS = """
globalThis.shifted = [];
const place = ({ node, previousRect: one, currentRect: other }) =>
  `${node?.nodeName}.${node?.className} ${one.x},${one.y} ${one.width}x${one.height} to ${other.x},${other.y}`;
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries())
    if (value >= 0.001) shifted.push(`${value} ${sources.map(place).join("; ")}`);
}).observe({ type: "layout-shift", buffered: true });
"""
"""Notes what moves by itself: the share of the window, times how far. The frame may say another number."""

FOLLOW = """(url) => {
  const link = Object.assign(document.createElement("a"), { href: url });
  document.body.append(link);
  link.click();
  link.remove();
}"""


def moment(system: System) -> list[str]:
    """Pages of a range that is over, each with something selected or chosen."""
    end = now_ms() // 60_000 * 60_000 - 120_000
    span = f"from={end - 360_000}&to={end}"
    return [
        ui(system, f"vitals?{span}&vital=cls&sel=/cart"),
        ui(system, f"latency?{span}&by=method&where=endpoint~/c*&sel={end - 240_000}_{end - 60_000}_0.1_1"),
        ui(system, f"errors?{span}"),
        ui(system, f"funnels?{span}&sel=effect_viewing"),
        ui(system, f"explore?{span}&metric=web_vital.lcp&agg=p75&by=page"),
        ui(system, f"explore?{span}&chart=bar&agg=count&tz=Asia/Kathmandu"),
    ]


async def seen(opened: Tab) -> tuple[str, bytes]:
    """What a page says, and how it looks; how long ago something was is another matter each time."""
    await opened.settled()
    await opened.page.locator("[aria-busy=true], .refreshing").first.wait_for(state="detached")
    text = re.sub(r"\d+(\.\d+)? (ms|s|min|h) ago", "ago", await opened.text())
    masked = [opened.page.locator(".freshness")]
    await opened.page.mouse.move(0, 0)
    return text, await opened.page.screenshot(mask=masked, animations="disabled", full_page=True)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["desk", "phone"])
async def test_nothing_moves_while_a_page_loads(
    system: System, browser: Browser, size: tuple[int, int]
) -> None:
    """What is to come has its room on an alert's page and on the overview: no link moves away from a finger."""
    alerts = (await system.get("/v1/alerts", state=["firing", "resolved"]))["alerts"]
    # Others are what a test has put there; they have no rows to show.
    found = next(one["alert_id"] for one in alerts if one["rule"].startswith("thresholds/"))
    context = await logged_in(
        browser,
        system.query_url,
        system.key,
        viewport={"width": size[0], "height": size[1]},
        has_touch=size == NARROW,
        is_mobile=size == NARROW,
    )
    await context.add_init_script(SHIFTS)
    opened, shifted = await tab(context), {}
    pages = {f"alerts/{found}": ".evidence canvas"}
    if size == WIDE:  # on a phone an alert that comes late still pushes the charts below the list
        pages["overview"] = ".plain-line .solid"
    for name, last in pages.items():
        await opened.opened(ui(system, name))
        await opened.page.locator(last).first.wait_for(state="attached")
        await expect(opened.page.locator(".chip-state")).to_contain_text("live")
        shifted[name] = await opened.page.evaluate("shifted")

    await context.close()
    assert {name: by for name, by in shifted.items() if by} == {}


async def followed(page: Page, url: str) -> None:
    """Follow a link of the page to an address."""
    await page.evaluate(FOLLOW, url)
    await page.wait_for_url(url)


async def test_back_forward_and_reload_show_the_same_picture(system: System, browser: Browser) -> None:
    """Six pages with selections, forwards and back by the browser's history, and each loaded anew."""
    context = await logged_in(
        browser, system.query_url, system.key, viewport={"width": WIDE[0], "height": WIDE[1]}
    )
    opened, addresses = await tab(context), moment(system)
    first, again = {}, list[tuple[str, str, tuple[str, bytes]]]()
    await opened.opened(ui(system, "keys"))
    for url in addresses:
        await followed(opened.page, url)
        first[url] = await seen(opened)
    for url in reversed(addresses[:-1]):
        await opened.page.go_back()
        again.append(("back", url, await seen(opened)))
    for url in addresses[1:]:
        await opened.page.go_forward()
        again.append(("forward", url, await seen(opened)))
    for url in addresses:
        await opened.page.goto(url)
        again.append(("loaded", url, await seen(opened)))

    texts = {(how, url) for how, url, (text, _) in again if text != first[url][0]}
    pixels = {
        (how, url): share
        for how, url, (_, picture) in again
        if (share := await differing(browser, first[url][1], picture)) > MOST_DIFFERING
    }
    await context.close()
    assert (texts, pixels, opened.said) == (set(), {}, [])


async def stands(page: Page, what: str, at: int = 300) -> None:
    """Wait until a number of the page is this one."""

    async def fact() -> bool:
        return bool(await page.evaluate(what) == at)

    await until(fact, f"{what} is {at}")


async def test_back_and_reload_return_to_where_one_was_reading(system: System, browser: Browser) -> None:
    """As soon as the page is as high as it was; a new page begins at its top."""
    context = await logged_in(
        browser, system.query_url, system.key, viewport={"width": WIDE[0], "height": 400}
    )
    opened, (url, other, *_) = await tab(context), moment(system)
    await opened.opened(url)
    await opened.page.mouse.move(600, 300)
    await opened.page.mouse.wheel(0, 300)
    await stands(opened.page, "history.state?.y")

    await followed(opened.page, other)
    await stands(opened.page, "scrollY", 0)
    await opened.settled()
    await opened.page.go_back()
    await stands(opened.page, "scrollY")
    await opened.page.reload()
    await stands(opened.page, "scrollY")

    await context.close()
    assert opened.said == []
