"""latency_alert: the time from a POST of a breaching point to the call of a webhook, 100 tries spread over a minute.

Seconds. Each try posts one response of six seconds to an endpoint of its own, beside a light load, through a real
gateway, aggregator and alert service with the rules shipped. One try without a webhook call makes the figure invalid.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from bench import feed, stand
from bench.figure import Invalid, Line, percentile, say
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s, now_ms

TRIES = 100
SPREAD_S = 60.0
TOLD_S = 30.0
"""A page that has not come within this time is lost."""
POINTS_PER_S = 2_000
POINTS_A_REQUEST = 50
GOAL_S = 1.5

RULES = stand.ROOT / "deploy/rules/default.yml"
LIVE, CLOSED = "ApiResponseCritical", "ApiResponseSlow"
"""The rules that a response of six seconds breaks: the one is judged on live windows, the other on closed ones."""

Page = tuple[str, str]
"""Name of the alert and its endpoint."""


class Pages:
    """The pages that the webhook received, and when."""

    def __init__(self) -> None:
        self._at_s: dict[Page, asyncio.Future[float]] = {}

    def of(self, page: Page) -> asyncio.Future[float]:
        """When a page came, once it has."""
        return self._at_s.setdefault(page, asyncio.get_running_loop().create_future())

    async def delivered(self, request: web.Request) -> web.Response:
        """Take a page."""
        body, at_s = orjson.loads(await request.read()), monotonic_s()
        if body["status"] == "firing":
            labels = body["commonLabels"]
            came = self.of((labels["alertname"], labels.get("endpoint", "")))
            if not came.done():
                came.set_result(at_s)
        return web.Response()


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line."""
    pages = Pages()
    async with stand.room(stack, folder) as room, _listening(pages) as url:
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            environ = room.environ | {"ALERTS_RULES": str(RULES), "ALERTS_WEBHOOKS": f"bench={url}"}
            for name in ("aggregator", "alerts"):
                running.enter_context(stand.started([f"services.{name}"], folder, environ))
            async with feed.client(port, room.key) as session:
                tries = await _all(session, pages)
    return [_line(tries)]


@asynccontextmanager
async def _listening(pages: Pages) -> AsyncIterator[str]:
    """A webhook; its address."""
    app = web.Application()
    app.router.add_post("/told", pages.delivered)
    runner = web.AppRunner(app)
    await runner.setup()
    port = stand.free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/told"
    finally:
        await runner.cleanup()


async def _all(session: aiohttp.ClientSession, pages: Pages) -> list[tuple[float, float]]:
    bodies, sent = feed.templates(500, POINTS_A_REQUEST, 40), feed.Sent()
    every_s = POINTS_A_REQUEST / POINTS_PER_S
    load = asyncio.create_task(
        feed.steady(session, feed.Stream(feed.POINTS, bodies, POINTS_A_REQUEST, every_s), sent)
    )
    await _try(session, pages, -1, 0.0)
    chance, begin_s = random.Random(7), monotonic_s()
    delays = [(number + chance.random()) * SPREAD_S / TRIES for number in range(TRIES)]
    tries = await asyncio.gather(*(_try(session, pages, *each) for each in enumerate(delays)))
    await feed.end(load)
    feed.check(sent, POINTS_PER_S * (monotonic_s() - begin_s))
    return tries


async def _try(
    session: aiohttp.ClientSession, pages: Pages, number: int, delay_s: float
) -> tuple[float, float]:
    """From the POST to the page, by a rule on live windows and by one on closed ones."""
    await asyncio.sleep(delay_s)
    endpoint, posted_s = f"/try/{number}", monotonic_s()
    row = {"name": "api.response_seconds", "ts": now_ms(), "value": 6.0, "labels": {"endpoint": endpoint}}
    status = await feed.post(session, orjson.dumps({"points": [row]}))
    if status != 202:
        raise Invalid(f"try {number}: answered {status}")
    try:
        async with asyncio.timeout(TOLD_S):
            live_s, closed_s = [await pages.of((rule, endpoint)) for rule in (LIVE, CLOSED)]
    except TimeoutError:
        raise Invalid(f"try {number}: not told within {TOLD_S:g} s") from None
    return live_s - posted_s, closed_s - posted_s


def _line(tries: list[tuple[float, float]]) -> Line:
    live, closed = zip(*tries, strict=True)
    value, naive = _s(live, 0.99), _s(closed, 0.99)
    conditions: dict[str, Any] = {
        "p50": _s(live, 0.5),
        "p99": value,
        "naive_p50": _s(closed, 0.5),
        "naive_means": "p99 of a rule of the same service that waits for the close of the window",
        "tries": len(tries),
        "points_per_s": POINTS_PER_S,
    }
    say(f"  p99 of {len(tries)} tries: {value} s on live windows, {naive} s on closed ones")
    return Line(
        "latency_alert", value, "s", naive, round(naive / value, 1), f"p99 <= {GOAL_S:g}", value <= GOAL_S,
        [_s(live, 0), _s(live, 1)], conditions,
    )  # fmt: skip


def _s(values: tuple[float, ...], share: float) -> float:
    return round(percentile(values, share), 3)
