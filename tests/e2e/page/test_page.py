"""The page in Chromium on a running system: every page, in both themes, at a desk and on a phone."""

import re

import pytest
from playwright.async_api import Browser

from deploy.local.folder import ROOT
from tests.support.page import NARROW, OF_THE_PAGE, PAGES, WIDE, Tab, logged_in, tab, ui
from tests.support.page_scenery import furnish
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = OF_THE_PAGE

PICTURE = ROOT / "docs/pictures/overview.png"


async def addresses(system: System) -> list[str]:
    """Every page, an alert that fired, and logging in."""
    found = await system.get("/v1/alerts", state=["firing", "resolved"])
    return [*PAGES, f"alerts/{found['alerts'][0]['fingerprint']}", "login"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [pytest.param(WIDE, id="desk"), pytest.param(NARROW, id="phone")])
async def test_every_page_is_whole(
    system: System, browser: Browser, theme: str, size: tuple[int, int]
) -> None:
    """Nothing serious for axe, nothing in the console, nothing that the policy forbids, nothing over the edge."""
    context = await logged_in(
        browser, system.query_url, system.key, color_scheme=theme,
        viewport={"width": size[0], "height": size[1]}, has_touch=size == NARROW,
    )  # fmt: skip
    found = {}
    opened = await tab(context)
    for name in await addresses(system):
        await opened.opened(ui(system, name))
        found[name] = await opened.faults() + opened.said
        opened.said.clear()
        if (name, theme, size) == ("overview", "light", WIDE):
            await picture(opened, system)
    await context.close()

    assert {name: faults for name, faults in found.items() if faults} == {}


async def picture(opened: Tab, system: System) -> None:
    """The picture at the top of README, made where there is none, of a shop that is busier than tests need."""
    if not PICTURE.exists():
        answers = await furnish(system)
        await opened.opened(f"{ui(system)}?from=now-15m")

        async def folded() -> bool:
            shown = await opened.page.locator(".samples").inner_text()
            return int(re.sub(r"\D", "", shown)) > 0.9 * answers

        await until(folded, f"the page shows most of {answers} answers")
        await opened.page.locator(".needs a").first.wait_for()
        await opened.page.locator("#came ~ table tbody tr").first.wait_for()
        heap = opened.page.locator(".stat", has_text="Browser heap")
        await heap.filter(has_text="sample").first.wait_for()
        PICTURE.parent.mkdir(exist_ok=True)
        await opened.page.screenshot(path=PICTURE, animations="disabled", full_page=True)
