"""hit_rate: the share of blocks for which no table is read, while the demo runs and people look at it.

Percent, of the query process from its start on. The demo's own process sends what this machine does; the load is what
browsers of dashboards ask: every query of every dashboard at Grafana's refresh, over an hour, and the reports.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp

from bench import feed, stand
from bench.figure import Invalid, Line, say
from deploy.grafana.pages import DASHBOARDS
from deploy.grafana.panels import RANGE, RATE
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s, now_ms

SECONDS = 180.0
"""How long people look."""

GOAL_PERCENT = 85.0

VIEWERS = 2
"""Browsers of each dashboard and of each report."""

REFRESH_S, REPORT_S, RANGE_S, STEP_S = 10.0, 10.0, 3600, 15
REPORTS = ("quick-stats", "dashboard", "summary/daily", "summary/weekly", "insights")

QUERIES = [
    re.sub(r"\$(page|endpoint)\b", ".*", query.text.replace(RATE, "1m").replace(RANGE, "1h"))
    for made in DASHBOARDS
    for panel in made.panels
    if panel.source == "tidegauge"
    for query in panel.queries
]

Counted = dict[int, int]
"""Answers by status."""


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line."""
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            for service in ("services.aggregator", "services.ingest"):
                running.enter_context(stand.started([service], folder, room.environ))
            _, query_port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            urls = {"TIDEGAUGE_URL": port, "TIDEGAUGE_QUERY_URL": query_port}
            demo = {name: f"http://127.0.0.1:{each}" for name, each in urls.items()}
            demo |= {"TIDEGAUGE_WRITE_KEY": room.key, "TIDEGAUGE_READ_KEY": room.key}
            running.enter_context(stand.started(["deploy.local.demo.traffic"], folder, demo))
            async with feed.client(query_port, room.key) as session:
                await _begun(session)
                statuses = await _looked(session)
                async with session.get("/v1/cache") as answer:
                    found = await answer.json()
    return [_line(found, statuses)]


async def _begun(session: aiohttp.ClientSession) -> None:
    """Wait for the first metrics of the demo."""
    async with asyncio.timeout(stand.READY_S):
        while True:
            async with session.get("/v1/metrics") as answer:
                if answer.status == 200 and (await answer.json())["total"]:
                    return
            await asyncio.sleep(0.5)


async def _looked(session: aiohttp.ClientSession) -> Counted:
    """Let people look; the answers by status."""
    end_s, statuses = monotonic_s() + SECONDS, Counted()

    async def again(ask: Callable[[], Awaitable[None]], every_s: float, late_s: float) -> None:
        await asyncio.sleep(late_s)
        while monotonic_s() < end_s:
            due_s = monotonic_s() + every_s
            await ask()
            await asyncio.sleep(max(0.0, due_s - monotonic_s()))

    async def take(answering: Any) -> None:
        async with answering as answer:
            await answer.read()
            statuses[answer.status] = statuses.get(answer.status, 0) + 1

    async def board() -> None:
        now_s = now_ms() // 1000 // STEP_S * STEP_S
        for query in QUERIES:
            asked = {"query": query, "start": str(now_s - RANGE_S), "end": str(now_s), "step": str(STEP_S)}
            await take(session.get("/prometheus/api/v1/query_range", params=asked))

    async def reports() -> None:
        for name in REPORTS:
            await take(session.get(f"/api/v1/analytics/{name}"))

    viewers = [
        again(ask, every_s, every_s * number / VIEWERS)
        for ask, every_s in ((board, REFRESH_S), (reports, REPORT_S))
        for number in range(VIEWERS)
    ]
    await asyncio.gather(*viewers)
    return statuses


def _line(found: dict[str, Any], statuses: Counted) -> Line:
    value = found["hit_rate_percent"]
    if value is None or set(statuses) != {200}:
        raise Invalid(f"answers by status {statuses}, {json.dumps(found)[:500]}")
    say(f"  {found['hits']:,} of {found['hits'] + found['misses']:,} blocks were known")
    conditions = {
        "naive_means": "there is no peer: without a cache it is 0", "hits": found["hits"], "misses": found["misses"],
        "answers": sum(statuses.values()), "seconds": SECONDS, "viewers": VIEWERS, "queries": len(QUERIES),
        "layers": [each for each in found["layers"] if each["hits"] + each["misses"] + each["invalid"]],
    }  # fmt: skip
    return Line(
        "hit_rate",
        value,
        "%",
        None,
        None,
        f"value >= {GOAL_PERCENT:g}",
        value >= GOAL_PERCENT,
        None,
        conditions,
    )
