"""How the browser client sends, in Chromium against a receiver that answers as a test likes: no server of ours.

Each test shows a line of "What our own browser client should do better" in the reference.
"""

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.clients.packages import chromium
from tests.support.chromium import Chromium, Page
from tests.support.http.beacons import BeaconReceiver
from tests.support.http.site import Site
from tests.support.wait import until

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients/browser"

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    """One Chromium for all tests."""
    async with Chromium(chromium(), tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[BeaconReceiver]:
    """Takes everything unless told otherwise."""
    async with BeaconReceiver() as made:
        yield made


@pytest.fixture(scope="module")
def script() -> Path:
    """The built script."""
    subprocess.run([sys.executable, "-m", "clients.browser.build"], cwd=ROOT, check=True, capture_output=True)
    return CLIENT / "dist/tidegauge.js"


@pytest_asyncio.fixture(loop_scope="module")
async def site(script: Path) -> AsyncIterator[Site]:
    """Serves pages with the client."""
    async with Site("http://127.0.0.1:1", {"/tidegauge.js": script}) as made:
        yield made


def tag(receiver: BeaconReceiver, before: str = "") -> str:
    """The script tag of the client, behind a script of the page."""
    url = f'data-url="{receiver.url}" data-key="k"'
    return f'<script>{before}</script><script src="/tidegauge.js" {url}></script>'


async def opened(browser: Chromium, site: Site, scripts: str, path: str = "/page") -> Page:
    """A page with these scripts."""
    page = await browser.page()
    await page.open(site.add(path, scripts))
    return page


async def came(receiver: BeaconReceiver, *types: str, times: int = 1) -> None:
    """Wait until events of these types have come, so often each."""

    async def there() -> bool:
        return all(len(receiver.of(type_)) >= times for type_ in types)

    await until(there, f"{types} have come {times} times", 45)


async def left(page: Page) -> list[dict[str, Any]]:
    """The batches that are stored, the oldest first."""
    script = "Object.entries(localStorage).filter(([n]) => n.includes(':batch:')).map(([, text]) => text)"
    return sorted(map(json.loads, await page.run(script)), key=lambda batch: batch["at"])


def once(receiver: BeaconReceiver) -> bool:
    """Whether each id stands for one body, however often it came."""
    bodies = defaultdict(set)
    for each in receiver.beacons:
        bodies[each.batch["batch_id"]].add(each.body)
    return all(len(found) == 1 for found in bodies.values())


async def test_a_page_that_is_left_reports_all_vitals_small_and_once(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """With the INP of the click that leaves it; without entries, within 1 kB, numbered, without a preflight."""
    page = await opened(browser, site, tag(receiver))
    await page.run(
        "new Promise((done) => new PerformanceObserver(() => done())"
        ".observe({type: 'largest-contentful-paint', buffered: true}))"
    )
    site.add("/next", "")
    await page.run(
        "document.cookie = 'session=secret'; document.body.addEventListener('click', () => {"
        " const until = performance.now() + 60; while (performance.now() < until); location = '/next' })"
    )
    await page.click()

    async def said() -> bool:
        return {"CLS", "FCP", "INP", "LCP", "TTFB"} <= {item.get("name") for item in receiver.items}

    await until(said, "all five vitals have come", 30)
    vitals = [item for item in receiver.items if item["kind"] == "vital"]
    assert {0} == {item["seq"] for item in vitals if item["value"] == item["delta"]}
    assert [] == [item for item in vitals if "entries" in item or item["navigationType"] != "navigate"]
    sizes = [
        len(
            json.dumps(
                [item for item in each.batch["items"] if item["kind"] == "vital"], separators=(",", ":")
            )
        )
        for each in receiver.beacons
    ]
    assert 1024 > max(sizes)
    assert {("POST", "text/plain;charset=UTF-8", "k")} == {
        (each.method, each.headers["content-type"], each.query["key"]) for each in receiver.beacons
    }
    assert [] == [each for each in receiver.beacons if "session=secret" in each.headers.get("cookie", "")]
    await page.close()


async def test_only_what_is_sent_in_peace_is_compressed(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """Work that is not done at once is lost when a page is left."""
    page = await opened(browser, site, tag(receiver))
    await page.run("tidegauge.client.event('in_peace', {text: 'x'.repeat(4000)}); tidegauge.client.flush()")
    await came(receiver, "in_peace")
    await page.run("tidegauge.client.event('leaving', {text: 'x'.repeat(4000)})")
    await page.close()
    await came(receiver, "leaving")

    assert {True} == {each.sent.startswith(b"\x1f\x8b") for each in receiver.of("in_peace")}
    assert {False} == {each.sent.startswith(b"\x1f\x8b") for each in receiver.of("leaving")}


async def test_a_page_that_leaves_with_more_than_a_browser_sends_keeps_the_rest(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """64 KiB may be under way; what is beyond waits on disk for the next page, and goes before what that one says."""
    page = await opened(browser, site, tag(receiver))
    await page.run(
        "for (let n = 0; n < 40; n++) tidegauge.client.event('note' + n, {text: String(n % 10).repeat(5000)})"
    )
    await page.close()
    page = await opened(browser, site, tag(receiver))
    await page.run("tidegauge.client.event('afterwards'); tidegauge.client.flush()")
    await came(receiver, "afterwards", *(f"note{n}" for n in range(40)))

    async def empty() -> bool:
        return await left(page) == []

    await until(empty, "nothing is left")
    types = [item["type"] for item in receiver.items if str(item.get("type")).startswith(("note", "after"))]
    assert ({*(f"note{n}" for n in range(40)), "afterwards"}, 41) == (set(types), len(types))
    assert "afterwards" == types[-1]
    assert 62_000 > max(len(each.body) for each in receiver.beacons)
    assert once(receiver)
    await page.close()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_batch_comes_again_under_its_id_and_not_before_it_may(
    browser: Chromium, site: Site, receiver: BeaconReceiver, status: int
) -> None:
    """As the gateway says by `Retry-After`, which it exposes."""
    receiver.script.append((status, {"Retry-After": "2"}))
    page = await opened(browser, site, tag(receiver))
    await page.run("tidegauge.client.event('again'); tidegauge.client.flush()")
    await came(receiver, "again", times=2)
    await page.close()

    first, second = receiver.of("again")[:2]
    assert (first.batch["batch_id"], first.body) == (second.batch["batch_id"], second.body)
    assert second.at_s - first.at_s > 1.9


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422])
async def test_a_batch_that_is_refused_is_given_up_and_told(
    browser: Chromium, site: Site, receiver: BeaconReceiver, status: int
) -> None:
    """Once, with how many items were in it."""
    page = await opened(browser, site, tag(receiver))
    await page.run("tidegauge.client.flush()")
    await came(receiver, "session_start")
    receiver.script.append((status, {}))
    await page.run(
        "tidegauge.client.event('refused'); tidegauge.client.event('too'); tidegauge.client.flush()"
    )
    await came(receiver, "refused")

    async def reported() -> bool:
        await page.run("tidegauge.client.flush()")
        return any(item["kind"] == "discarded" for item in receiver.items)

    await until(reported, "it is told")
    await page.close()
    assert ["refused"] == [item["reason"] for item in receiver.items if item["kind"] == "discarded"]
    assert 1 == len(receiver.of("refused"))


async def test_a_page_that_ends_in_the_midst_of_a_post_sends_the_same_again(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """The answer never came to it: whatever is sent again, by it or by the next page, is the same to the letter."""
    receiver.hold = asyncio.Event()
    page = await opened(browser, site, tag(receiver))
    await page.run("tidegauge.client.event('midst', {text: 'x'.repeat(5000)}); tidegauge.client.flush()")
    await came(receiver, "midst")
    await page.close()
    receiver.hold.set()
    page = await opened(browser, site, tag(receiver))
    await came(receiver, "midst", times=2)

    async def empty() -> bool:
        return all("midst" not in batch["body"] for batch in await left(page))

    await until(empty, "it is answered, and stored no more")
    await page.close()
    assert once(receiver)
    assert 1 == sum(item.get("type") == "midst" for item in receiver.items)


@pytest.mark.parametrize(
    ("minutes_ago", "kinds", "lost"),
    [
        pytest.param(None, ["event", "operation"], 0, id="never sent"),
        pytest.param(13, ["event", "operation"], 0, id="while it is known"),
        pytest.param(15, ["event"], 1, id="when its points might count again"),
    ],
)
async def test_points_that_were_sent_long_ago_without_an_answer_do_not_come_again(
    browser: Chromium,
    site: Site,
    receiver: BeaconReceiver,
    minutes_ago: int | None,
    kinds: list[str],
    lost: int,
) -> None:
    """The gateway knows a batch of points for 15 minutes; events have ids of their own, and do."""
    batch = {
        "id": "b" * 36, "at": 0, "count": 2,
        "body": {"batch_id": "b" * 36, "items": [
            {"kind": "event", "ts": 0, "id": "e" * 36, "type": "old"},
            {"kind": "operation", "ts": 0, "name": "work", "ms": 5},
        ]},
    }  # fmt: skip
    page = await opened(browser, site, "", "/empty")
    await page.run(
        f"const batch = {json.dumps(batch)}, then = Date.now() - {minutes_ago or 60} * 60e3;"
        "batch.body.items.forEach((item) => item.ts = then); batch.at = then; batch.body = JSON.stringify(batch.body);"
        f"batch.tried = {'then' if minutes_ago else 'undefined'};"
        "localStorage.setItem('tidegauge:k:batch:' + batch.id, JSON.stringify(batch))"
    )
    await page.open(site.add("/page", tag(receiver)))
    await came(receiver, "old")

    async def reported() -> bool:
        await page.run("tidegauge.client.flush()")
        return lost == sum(item["count"] for item in receiver.items if item.get("reason") == "in_doubt")

    await until(reported, "what is lost is told")
    (old,) = receiver.of("old")
    await page.close()
    assert kinds == [item["kind"] for item in old.batch["items"]]
    assert ("b" * 36 == old.batch["batch_id"]) == (lost == 0)


async def test_nothing_is_tried_without_a_network_and_everything_comes_with_it(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """In order, at once, and none of it is in doubt."""
    page = await opened(browser, site, tag(receiver))
    await page.run("tidegauge.client.flush()")
    await came(receiver, "session_start")
    await page.offline(is_offline=True)
    for number in range(5):
        await page.run(f"tidegauge.client.event('offline{number}'); tidegauge.client.flush()")
    stored = await left(page)
    await page.offline(is_offline=False)
    await came(receiver, *(f"offline{number}" for number in range(5)))
    await page.close()

    assert [None] * 5 == [batch.get("tried") for batch in stored if "offline" in batch["body"]]
    found = [item["type"] for item in receiver.items if str(item.get("type")).startswith("offline")]
    assert [f"offline{number}" for number in range(5)] == found


async def test_a_page_that_nobody_sees_yet_says_nothing(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """While it is prerendered; when it is shown it reports, as a navigation of that kind."""
    rules = '{"prerender": [{"source": "list", "urls": ["/later"]}]}'
    go = (
        "const look = setInterval(() => localStorage.there && (clearInterval(look), location = '/later'), 20)"
    )
    shown = (
        "onload = () => localStorage.there = document.prerendering ? 'yes' : '';"
        "document.addEventListener('prerenderingchange', () => { const at = Date.now();"
        " setTimeout(() => tidegauge.client.event('shown', {at})) })"
    )
    site.add("/later", tag(receiver, shown))
    address = site.add("/now", f"<script type=speculationrules>{rules}</script><script>{go}</script>")
    # Without a session of the protocol: the browser prerenders nothing for a page that is debugged.
    target = (await browser.ask("Target.createTarget", url=address))["targetId"]
    await came(receiver, "shown")
    await browser.ask("Target.closeTarget", targetId=target)

    async def reported() -> bool:
        return any(item.get("navigationType") == "prerender" for item in receiver.items)

    await until(reported, "it reports as prerendered", 30)
    (view,) = [item for item in receiver.items if item["kind"] == "page_view"]
    (event,) = [item for item in receiver.items if item.get("type") == "shown"]
    assert (site.url + "/later", True) == (view["page"], view["ts"] >= event["properties"]["at"])


async def test_a_page_that_comes_back_is_a_view_and_goes_on(
    browser: Chromium, site: Site, receiver: BeaconReceiver
) -> None:
    """Out of the cache of the browser; and so is each route of a page that changes it."""
    page = await opened(browser, site, tag(receiver))
    await page.run("history.pushState({}, '', '/route?token=secret')")
    await page.run("navigation.back(); undefined")
    site.add("/other", "")
    await page.run("window.stayed = true; setTimeout(() => location = '/other', 50); undefined")

    async def away() -> bool:
        return bool((await page.run("location.pathname")) == "/other")

    await until(away, "another page is shown")
    await page.run("history.back(); undefined")

    async def back() -> bool:
        return bool(await page.run("location.pathname != '/other' && window.stayed === true"))

    await until(back, "the page is back out of the cache")
    await page.run("tidegauge.client.event('back'); undefined")
    await came(receiver, "back")  # by its timer
    views = [item["page"].removeprefix(site.url) for item in receiver.items if item["kind"] == "page_view"]
    await page.close()

    assert ["/page", "/route", "/page", "/page"] == views
    assert 4 == len({item["id"] for item in receiver.items if item["kind"] == "page_view"})


@pytest.mark.parametrize("has_memory", [True, False])
async def test_the_heap_is_sampled_where_the_browser_tells_of_it(
    browser: Chromium, site: Site, receiver: BeaconReceiver, has_memory: bool
) -> None:
    """Each 30 seconds, which are short here; elsewhere nothing is sent and nothing fails."""
    quick = "const slow = setInterval; setInterval = (work, ms) => slow(work, ms / 300);"
    without = "" if has_memory else "Object.defineProperty(performance, 'memory', {value: undefined});"
    page = await opened(browser, site, tag(receiver, quick + without))
    await page.run("new Promise((done) => setTimeout(done, 400))")
    await page.run("tidegauge.client.event('end'); tidegauge.client.flush()")
    await came(receiver, "end")
    await page.close()

    ratios = [item["value"] for item in receiver.items if item["kind"] == "memory"]
    assert has_memory == bool(ratios)
    assert all(0 < ratio < 1 for ratio in ratios)
    assert [] == [item for item in receiver.items if item["kind"] == "error"]
