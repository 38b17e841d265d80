"""Pages in Chromium, each with the script that its users paste: what it reports is in Postgres, once."""

import gzip
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.e2e.clients.packages import chromium, modules
from tests.support.chromium import Chromium, Page
from tests.support.http.site import Site
from tests.support.processes.system import System
from tests.support.wait import until

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients/browser"

PAINTED = """
new Promise((done) => new PerformanceObserver(() => done()).observe({type: "largest-contentful-paint", buffered: true}))
"""
"""Waits until the browser has said what its largest paint was."""

OFFLINE_S = int(os.environ.get("TIDEGAUGE_OFFLINE_S", "5"))
"""How long a page has no network; `make kills` gives it a minute."""

MAX_BYTES = 8 << 10
"""Of each file of the browser client, compressed as a server would."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def dist() -> Path:
    """The built browser client."""
    subprocess.run([sys.executable, "-m", "clients.browser.build"], cwd=ROOT, check=True, capture_output=True)
    return CLIENT / "dist"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """All services; nobody is paged."""
    async with System(stack, tmp_path_factory.mktemp("system"), "http://127.0.0.1:1/") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    """One Chromium for all tests."""
    async with Chromium(chromium(), tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(system: System, dist: Path) -> AsyncIterator[Site]:
    """An application's own origin."""
    files = {
        "/tidegauge.js": dist / "tidegauge.js",
        "/faro.js": modules() / "@grafana/faro-web-sdk/dist/bundle/faro-web-sdk.iife.js",
        "/web-vitals.js": CLIENT / "node_modules/web-vitals/dist/web-vitals.js",
    }
    async with Site(system.url, files) as made:
        yield made


async def stored(system: System, *types: str) -> list[str]:
    """The types of the events that are stored, of errors with their names, as soon as these are among them."""
    found: list[str] = []

    async def there() -> bool:
        rows = await system.sql("SELECT type, name FROM event WHERE tenant_id = $1", system.tenant_id)
        found[:] = [f"error {name}" if type_ == "error" else type_ for type_, name in rows]
        return set(types) <= set(found)

    await until(there, f"{types} are stored", 60)
    return found


async def counted_once(system: System, metric: str, at: str) -> None:
    """Wait until a metric has one point of this page or endpoint."""

    async def there() -> bool:
        windows = (await system.get("/v1/windows", metric=metric))["windows"]
        return 1 == sum(each["count"] for each in windows if at in each["labels"].values())

    await until(there, f"{metric} of {at} counts once", 60)


def test_the_client_is_small(dist: Path) -> None:
    """At most 8 kB each, with the web-vitals library in it; its types are beside it."""
    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in dist.glob("tidegauge.*")}

    assert {"tidegauge.mjs", "tidegauge.js"} == set(sizes)
    assert MAX_BYTES >= max(sizes.values()), sizes
    assert (dist / "index.d.ts").exists()


@pytest.mark.servers
@pytest.mark.asyncio(loop_scope="module")
async def test_a_script_tag_reports_vitals_an_error_a_step_and_a_request(
    system: System, browser: Chromium, site: Site
) -> None:
    """Sent while the tab is closed, without the query of the address, each once."""
    tag = f'<script src="/tidegauge.js" data-url="{system.url}" data-key="{system.key}" data-release="1.2.0"></script>'
    address = site.add("/cart", tag)
    page = await browser.page()
    await page.open(address + "?token=secret")
    await page.run(PAINTED)  # after a click the browser looks for no larger paint
    await page.click()
    await page.run(
        "fetch('/pay', {method: 'POST'}).then(() => setTimeout(() => { throw new TypeError('x is undefined') }))"
    )
    await page.run("tidegauge.client.step('Image Upload', {size: 3})")

    await page.close()

    await stored(system, "error TypeError", "funnel_step")
    rows = await system.sql(
        "SELECT type, name, properties FROM event WHERE tenant_id = $1 AND properties->>'url' = $2 ORDER BY type",
        system.tenant_id,
        address,
    )
    found = {row["type"]: row for row in rows}
    assert ["error", "funnel_step", "page_view"] == [
        row["type"] for row in rows if row["type"] != "session_start"
    ]
    assert "TypeError" == found["error"]["name"]
    assert '"handled": false' in found["error"]["properties"]
    await counted_once(system, "web_vital.ttfb", address)
    await counted_once(system, "web_vital.lcp", address)
    await counted_once(system, "api.response_seconds", site.url + "/pay")


@pytest.mark.servers
@pytest.mark.asyncio(loop_scope="module")
async def test_what_cannot_be_sent_waits_and_comes_once(
    system: System, browser: Chromium, site: Site
) -> None:
    """Over a closed tab without a network, and over refusals: the same batch under one id until it is taken."""
    tag = f'<script src="/tidegauge.js" data-url="{site.url}" data-key="{system.key}"></script>'
    address = site.add("/offline", tag)
    site.refusals = 1000
    page = await browser.page()
    await page.open(address)
    await page.offline(is_offline=True)
    await page.run("tidegauge.client.event('written_offline'); tidegauge.client.flush()")
    await page.close()

    # Pages of other tests may still say something; what they post is not refused.
    site.refusals, site.refused_text = 2, b"written_offline"
    page = await browser.page()
    await page.open(address)
    await page.run("tidegauge.client.event('written_online'); tidegauge.client.flush()")

    found = await stored(system, "written_offline", "written_online")
    assert (1, 1) == (found.count("written_offline"), found.count("written_online"))
    first = [each for each in site.arrived if b"written_offline" in each.body]
    assert ({503, 202}, 202, 1) == (
        {each.status for each in first},
        first[-1].status,
        len({each.body for each in first}),
    )
    await page.close()


@pytest.mark.servers
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_that_crashes_is_heard(system: System, browser: Chromium, site: Site) -> None:
    """Chromium sends what the client handed to it, though the page has ended without a word."""
    watch = "const later = fetchLater; fetchLater = (...given) => (armed = given[1].body, later(...given))"
    tag = f'<script src="/tidegauge.js" data-url="{site.url}" data-key="{system.key}"></script>'
    page = await browser.page()
    await page.open(site.add("/crash", f"<script>{watch}</script>{tag}"))
    await page.run("armed = ''; tidegauge.client.event('before_the_crash')")
    await page.run(
        "new Promise((done) => (function look() {"
        " armed.includes('before_the_crash') ? done() : requestAnimationFrame(look) })())"
    )

    await page.crash()

    found = await stored(system, "before_the_crash")
    assert 1 == found.count("before_the_crash")


async def ticks(page: Page, least: int) -> int:
    """Wait until the page has reported so often; how often it has."""

    async def fact() -> bool:
        return bool(await page.run("ticks") >= least)

    await until(fact, f"{least} ticks", OFFLINE_S + 30)
    return int(await page.run("ticks"))


@pytest.mark.servers
@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_page_says_counts_once_though_gateway_and_network_come_and_go(
    system: System, browser: Chromium, site: Site
) -> None:
    """It reports ten times a second, goes on without a network, and is closed while the gateway is away."""
    tag = f'<script src="/tidegauge.js" data-url="{system.url}" data-key="{system.key}"></script>'
    address = site.add("/ticking", tag)
    page = await browser.page()
    await page.open(address)
    await page.run(
        "ticks = 0; ticking = setInterval(() => {"
        " tidegauge.client.event('tick', {n: ticks}); tidegauge.client.time('ticking', ticks++) }, 100); undefined"
    )

    reached = await ticks(page, 30)
    await system.kill("gateway")
    await system.answers()
    await page.offline(is_offline=True)
    reached = await ticks(page, reached + 10 * OFFLINE_S)
    await page.offline(is_offline=False)
    await ticks(page, reached + 10)
    await system.kill("gateway")
    last = await page.run("clearInterval(ticking); ticks")
    await page.close()
    await system.answers()
    page = await browser.page()
    await page.open(address)

    async def counted() -> int:
        windows = (await system.get("/v1/windows", metric="operation.seconds"))["windows"]
        return int(sum(each["count"] for each in windows if each["labels"]["name"] == "ticking"))

    async def there() -> bool:
        rows = await system.sql(
            "SELECT properties->>'n' AS n FROM event WHERE tenant_id = $1 AND type = 'tick'", system.tenant_id
        )
        return sorted(map(str, range(last))) == sorted(row["n"] for row in rows) and await counted() == last

    await until(there, f"{last} ticks are stored and counted, each once", 60)
    await page.close()


@pytest.mark.servers
@pytest.mark.asyncio(loop_scope="module")
async def test_the_snippet_of_the_docs_reports_the_vitals_of_the_library(
    system: System, browser: Chromium, site: Site
) -> None:
    """As docs/clients/web-vitals.md says it, with addresses put in."""
    text = (ROOT / "docs/clients/web-vitals.md").read_text()
    snippet = re.search(r"```html\n(.*?)```", text, re.DOTALL)
    assert snippet is not None
    script = snippet[1].replace("/vendor/web-vitals.js", "/web-vitals.js")
    script = script.replace("https://telemetry.example.com", system.url).replace("YOUR_KEY", system.key)
    address = site.add("/library", script)
    page = await browser.page()
    await page.open(address)
    await page.run(PAINTED)

    await page.close()

    await counted_once(system, "web_vital.ttfb", address)


@pytest.mark.servers
@pytest.mark.asyncio(loop_scope="module")
async def test_faro_reports_vitals_an_error_a_log_and_an_event(
    system: System, browser: Chromium, site: Site
) -> None:
    """With nothing set but its address; a batch that was refused for a while counts once."""
    site.refusals, site.refused_text = 1, b""
    address = site.add(
        "/faro",
        '<script src="/faro.js"></script><script>faro = GrafanaFaroWebSdk.initializeFaro('
        f'{{url: "{site.url}/collect/{system.key}", app: {{name: "shop", version: "1.2.0"}}}})</script>',
    )
    page = await browser.page()
    await page.open(address + "?token=secret")
    await page.run("faro.api.pushEvent('faro_buy', {sku: '7'}); faro.api.pushLog(['slow'])")
    await page.run("faro.api.pushError(new RangeError('out of it'))")

    found = await stored(system, "faro_buy", "log", "error RangeError")
    assert 1 == found.count("faro_buy")
    (error,) = await system.sql(
        "SELECT name, properties FROM event WHERE tenant_id = $1 AND name = 'RangeError'", system.tenant_id
    )
    assert f'"url": "{address}"' in error["properties"]
    await page.close()

    await counted_once(system, "web_vital.ttfb", address)
