"""page_scripts, page_desk, page_phone, page_moves: what the page weighs, and how soon a chart is there, and moves.

Milliseconds and bytes as the names say. Debian's Chromium opens the page of a query process beside a steady load; each
visit has a browser context of its own, so that nothing is in its cache. What is seen is noted by the page itself.
"""

import asyncio
import random
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
from playwright.async_api import Browser, BrowserContext

from bench import feed, live, stand
from bench.figure import Invalid, Line, percentile, say
from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from tests.support.page import browsers, logged_in
from tests.support.page_build import sizes
from web.build import PAGE

VISITS, TRIES = 7, 40
SETTLE_S, SEEN_S = 20.0, 20.0
PAINT_MS, CHART_MS, PHONE_MS = 300, 1000, 2500
GOAL_P50_S, GOAL_P99_S = 0.6, 1.2
FIRST_BYTES, ALL_BYTES, REQUESTS = 45_000, 95_000, 6
METRIC = "bench.page"

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
"""1.6 Mbit/s and 150 ms; the processor is slowed down four times besides."""

WATCH = """
window.seen = { chartMs: null, shift: 0 };
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) seen.shift += one.value;
}).observe({ type: "layout-shift", buffered: true });
new MutationObserver(() => {
  const line = document.querySelector('.plain-line path.solid[d^="M"]');
  if (seen.chartMs === null && line) seen.chartMs = performance.now();
  const cells = [...document.querySelectorAll(".chart-table tbody td:nth-child(2)")];
  const sum = cells.reduce((all, one) => all + (Number(one.textContent.replaceAll(",", "")) || 0), 0);
  if (cells.length && sum !== seen.sum) Object.assign(seen, { sum, sumMs: Date.now() });
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""

VISIT = """() => {
  const requests = performance.getEntriesByType("resource");
  const data = requests.find((one) => one.name.includes("/v1/query"));
  return {
    paintMs: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
    chartMs: seen.chartMs, shift: seen.shift,
    requests: 1 + requests.filter((one) => data && one.startTime < data.responseEnd).length,
  };
}"""


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """All lines."""
    PAGE.built()
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            running.enter_context(stand.started(["services.aggregator"], folder, room.environ))
            _, query_port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            url = f"http://127.0.0.1:{query_port}"
            async with feed.client(port, room.key) as session, browsers() as browser:
                sent = feed.Sent()
                stream = feed.Stream(feed.POINTS, live.bodies(), live.ROWS, live.EVERY_S)
                load = asyncio.create_task(feed.steady(session, stream, sent))
                await asyncio.sleep(SETTLE_S)
                desk = [await _visit(browser, url, room.key, DESK) for _ in range(VISITS + 1)][1:]
                phone = [await _visit(browser, url, room.key, PHONE) for _ in range(VISITS + 1)][1:]
                moves = await _moves(browser, url, room.key, session)
                await feed.end(load)
    return [
        _scripts(),
        _visits("page_desk", desk, CHART_MS),
        _visits("page_phone", phone, PHONE_MS),
        _moved(moves),
    ]


async def _context(browser: Browser, url: str, key: str, options: dict[str, Any]) -> BrowserContext:
    """Somebody who has logged in, and has nothing in the cache."""
    context = await logged_in(browser, url, key, **options)
    await context.add_init_script(WATCH)
    return context


async def _visit(browser: Browser, url: str, key: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a cold visit of the first page saw."""
    context = await _context(browser, url, key, options)
    page = await context.new_page()
    if options is PHONE:
        protocol = await context.new_cdp_session(page)
        await protocol.send("Network.enable")
        await protocol.send("Network.emulateNetworkConditions", SLOW)
        await protocol.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    await page.goto(f"{url}/ui/")
    for _ in range(int(SEEN_S / 0.1)):
        await asyncio.sleep(0.1)
        found: dict[str, Any] = await page.evaluate(VISIT)
        if found["chartMs"] is not None:
            # What comes after the first chart may still push it about.
            await asyncio.sleep(2)
            found["shift"] = (await page.evaluate(VISIT))["shift"]
            break
    await context.close()
    if found["chartMs"] is None or found["paintMs"] is None:
        raise Invalid("a visit saw no chart")
    return found


async def _moves(browser: Browser, url: str, key: str, session: Any) -> list[float]:
    """From each POST to the change of a chart that has its point; one after the other, at random moments."""
    chance, found = random.Random(7), list[float]()
    await _post(session)
    await asyncio.sleep(3)
    context = await _context(browser, url, key, DESK)
    page = await context.new_page()
    await page.goto(f"{url}/ui/explore?metric={METRIC}&agg=count&resolution=10s&from=now-15m")
    await page.locator(".chart-head button").first.click()
    for number in range(2, TRIES + 2):
        await asyncio.sleep(chance.random() * 1.5)
        posted_ms = now_ms()
        await _post(session)
        for _ in range(int(SEEN_S / 0.02)):
            seen = await page.evaluate("() => seen")
            if seen.get("sum", 0) >= number:
                break
            await asyncio.sleep(0.02)
        else:
            raise Invalid(f"point {number} was not shown within {SEEN_S:g} s: {seen}")
        found.append((seen["sumMs"] - posted_ms) / 1000)
    await context.close()
    return found


async def _post(session: Any) -> None:
    point = {"name": METRIC, "value": 1, "kind": "delta", "ts": now_ms()}
    if await feed.post(session, orjson.dumps({"points": [point]})) != 202:
        raise Invalid("a point was refused")


def _scripts() -> Line:
    found = sizes(PAGE.out)
    reached = found["first"] <= FIRST_BYTES and found["all"] <= ALL_BYTES
    goal = f"first <= {FIRST_BYTES} B, all <= {ALL_BYTES} B"
    return Line("page_scripts", found["first"], "bytes", None, None, goal, reached, None, dict(found))


def _visits(name: str, visits: list[dict[str, float]], goal_ms: float) -> Line:
    charts, paints = ([one[part] for one in visits] for part in ("chartMs", "paintMs"))
    shift, requests = (max(one[part] for one in visits) for part in ("shift", "requests"))
    say(
        f"  {name}: chart {statistics.median(charts):.0f} ms, paint {statistics.median(paints):.0f} ms, shift {shift}"
    )
    chart, paint = statistics.median(charts), statistics.median(paints)
    is_quick = chart <= goal_ms and (name == "page_phone" or paint <= PAINT_MS)
    goal = f"chart <= {goal_ms:g} ms" + ("" if name == "page_phone" else f", paint <= {PAINT_MS} ms")
    return Line(
        name, round(chart), "ms", None, None, f"{goal}, no shift, <= {REQUESTS} requests",
        is_quick and round(shift, 3) == 0 and requests <= REQUESTS, [round(min(charts)), round(max(charts))],
        {"paint_ms": round(paint), "layout_shift": round(shift, 4), "requests": requests, "visits": len(visits)},
    )  # fmt: skip


def _moved(tries: list[float]) -> Line:
    p50, p99 = percentile(tries, 0.5), percentile(tries, 0.99)
    return Line(
        "page_moves", round(p99, 3), "s", None, None, f"p50 <= {GOAL_P50_S:g}, p99 <= {GOAL_P99_S:g}",
        p50 <= GOAL_P50_S and p99 <= GOAL_P99_S, [round(min(tries), 3), round(max(tries), 3)],
        {"tries": len(tries), "p50": round(p50, 3)},
    )  # fmt: skip
