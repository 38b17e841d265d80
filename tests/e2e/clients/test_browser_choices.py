"""What a page decides of its browser client: consent, samples, and what is sent at all. No server stands behind it."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.clients.answers.scripted import Reply, Scripted
from tests.e2e.clients.packages import chromium
from tests.support.chromium import Chromium, Page
from tests.support.http.site import Site
from tests.support.wait import until

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients/browser"

pytestmark = [pytest.mark.servers]


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Chromium]:
    """A browser of its own."""
    async with Chromium(chromium(), tmp_path / "profile") as made:
        yield made


@pytest.fixture
def script() -> Path:
    """The built script."""
    subprocess.run([sys.executable, "-m", "clients.browser.build"], cwd=ROOT, check=True, capture_output=True)
    return CLIENT / "dist/tidegauge.js"


@pytest_asyncio.fixture
async def site(script: Path) -> AsyncIterator[Site]:
    """A site whose posts are all refused for now, and seen."""
    async with Site("http://127.0.0.1:1", {"/tidegauge.js": script}) as made:
        made.refusals = 10**6
        yield made


async def opened(browser: Chromium, site: Site, options: str) -> Page:
    """A page whose client has these options."""
    start = f'client = tidegauge.init({{url: "{site.url}", key: "k", {options}}})'
    page = await browser.page()
    await page.open(site.add("/page", f'<script src="/tidegauge.js"></script><script>{start}</script>'))
    return page


async def items(site: Site, wanted: str) -> list[dict[str, Any]]:
    """All items that have come, each batch once, as soon as an event of this type is among them."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        bodies = {each.body for each in site.arrived}
        found[:] = [item for body in bodies for item in json.loads(body)["items"]]
        return any(item.get("type") == wanted for item in found)

    await until(there, f"{wanted} has come", 30)
    return found


async def test_nothing_leaves_or_stays_without_consent(browser: Chromium, site: Site) -> None:
    """What happened before it is sent with it, and forgotten when it is withdrawn."""
    page = await opened(browser, site, "consent: false")
    await page.run("client.event('before'); client.flush()")
    assert ([], 0) == (site.arrived, await page.run("localStorage.length"))

    await page.run("client.consent(true)")
    await items(site, "before")
    assert 0 < await page.run("localStorage.length")

    await page.run("client.event('unsent'); client.consent(false)")
    assert 0 == await page.run("localStorage.length")


async def test_a_report_of_a_loss_waits_for_company(browser: Chromium, script: Path) -> None:
    """Where a key is good no more, a page posts what it has, and no report of a refused report every few seconds."""
    async with Scripted({"401": Reply(401)}, {"/tidegauge.js": script}, {}) as server:
        start = f'client = tidegauge.init({{url: "{server.urls["401"]}", key: "k"}}); client.event("buy")'
        page = await browser.page()
        await page.open(server.add("/page", f'<script src="/tidegauge.js"></script><script>{start}</script>'))
        await page.skip(600)

        # A sample of the memory each 30 s.
        assert server.of("401", b'"buy"')
        assert 2 + 600 / 30 >= len(server.posts["401"])
        assert server.reports("401")


async def test_a_session_that_is_not_sampled_sends_events_alone(browser: Chromium, site: Site) -> None:
    """No vitals and no times; what `beforeSend` answers is what is sent."""
    drop = "beforeSend: (item) => item.type === 'secret' ? null : {...item, properties: {seen: true}}"
    page = await opened(browser, site, f"sampleRate: 0, {drop}")
    await page.run("client.time('work', 5); client.event('secret'); client.event('buy'); client.flush()")

    found = await items(site, "buy")

    assert {"event", "page_view"} == {item["kind"] for item in found}
    assert {"session_start", "buy"} == {item["type"] for item in found if item["kind"] == "event"}
    assert [{"seen": True}] * len(found) == [item["properties"] for item in found]
