"""Nothing looks surer than it is: what is open, unknown, none, few or revised is drawn and written as that."""

import json
import re
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import httpx2
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from shared.runtime.clock import now_ms
from tests.support.page import AT_LENGTH, Tab, listened, post, ui
from tests.support.pixels import between, columns
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = AT_LENGTH

MINUTE_MS = 60_000
KNOWN = (-9, -8, -7, -3, -2, -1, 0)
"""Minutes, from the present one, in which something came; none came in the three between."""


@dataclass
class Seen:
    """What was posted, and the range in which it is."""

    from_ms: int
    to_ms: int

    @property
    def span(self) -> str:
        """The range as an address has it: it does not move, and ends ahead of now."""
        return f"from={self.from_ms}&to={self.to_ms}"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def seen(system: System) -> Seen:
    """A level and a count with a gap, responses that came late, and a page with five loads."""
    minute = now_ms() // MINUTE_MS * MINUTE_MS
    points = [point("honest.level", "gauge", 5, at) for at in times(minute)]
    points += [point("honest.count", "delta", 1, at) for at in times(minute)]
    points += [rare(minute - 120_000 + at * 1000, 2000 + 100 * at) for at in range(5)]
    points += [late(minute - 240_000 + at) for at in range(3)]
    assert (await post(system, "/v1/telemetry", {"points": points})).json()["rejected"] == []
    made = Seen(minute - 10 * MINUTE_MS, minute + 4 * MINUTE_MS)

    async def fact() -> bool:
        counted = [await counts(system, made, name) for name in ("honest.level", "honest.count")]
        return counted == [len(times(minute))] * 2

    await until(fact, "what was seen can be asked for")
    return made


def times(minute: int) -> list[int]:
    """When something came: twice a minute."""
    return [minute + at * MINUTE_MS + second for at in KNOWN for second in (0, 100)]


def point(name: str, kind: str, value: float, ts: int, **labels: str) -> dict[str, Any]:
    """A point."""
    return {"name": name, "kind": kind, "value": value, "ts": ts, "labels": labels}


def rare(ts: int, value: float) -> dict[str, Any]:
    """A load of a page that hardly anybody opens."""
    return point("web_vital.lcp", "gauge", value, ts, page="/rare") | {"unit": "ms"}


def late(ts: int) -> dict[str, Any]:
    """A response that is seen when its window has long been closed."""
    labels = {"endpoint": "/late", "method": "GET", "status": "200"}
    return point("api.response_seconds", "delta", 0.1, ts, **labels) | {"unit": "s"}


async def counts(system: System, seen: Seen, metric: str) -> float:
    """How many points of a metric the queries know of in the range."""
    asked = {
        "from": str(seen.from_ms),
        "to": str(seen.to_ms),
        "questions": [{"metric": metric, "aggregates": ["count"], "resolution": "range"}],
    }
    try:
        answer = await system.get("/v1/query", q=json.dumps(asked))
    except httpx2.HTTPStatusError:  # a metric that is not known yet is refused
        return 0
    return float(answer["results"][0]["series"][0]["values"]["count"][0] or 0)


@pytest_asyncio.fixture(loop_scope="package")
async def opened(system: System, browser: Browser) -> Any:
    """A tab of somebody who has logged in."""
    async with listened(browser, system, color_scheme="light") as made:
        yield made


async def chart(opened: Tab, url: str) -> tuple[Locator, list[list[str]]]:
    """The first chart of a page, and its table, the oldest window first."""
    await opened.opened(url)
    figure = opened.page.get_by_role("figure").first
    await figure.focus()
    await opened.page.keyboard.press("t")
    rows = figure.locator(".chart-table tbody tr")
    await rows.first.wait_for()
    return figure, [await row.locator("th, td").all_inner_texts() for row in reversed(await rows.all())]


async def test_open_windows_are_dashed_and_gaps_are_gaps(system: System, seen: Seen, opened: Tab) -> None:
    """Solid between complete windows, dashed to an open one, nothing where nothing is known: counted in pixels."""
    figure, rows = await chart(
        opened, ui(system, f"explore?{seen.span}&metric=honest.level&agg=avg&resolution=1m")
    )
    drawn = await columns(figure)
    found: dict[str, set[bool]] = {}
    for at, (left, right) in enumerate(pairwise(rows)):
        part = between(drawn, len(rows), at)
        runs = [sign for sign, _ in groupby(part)]
        if "–" in {left[1], right[1]}:
            found.setdefault("gap", set()).add("1" not in part)
        elif "open" in {left[-1], right[-1]}:
            found.setdefault("dashed", set()).add(runs.count("1") >= 2 and "0" in runs)
        else:
            found.setdefault("solid", set()).add(runs == ["1"])

    assert found == {"gap": {True}, "dashed": {True}, "solid": {True}}, (rows, drawn)


async def test_zero_is_shown_only_where_a_window_is_complete(system: System, seen: Seen, opened: Tab) -> None:
    """A count of a complete minute without points is 0, of one that is open not known; a level is never 0 by itself."""
    _, counted = await chart(
        opened, ui(system, f"explore?{seen.span}&metric=honest.count&agg=count&resolution=1m")
    )
    _, level = await chart(
        opened, ui(system, f"explore?{seen.span}&metric=honest.level&agg=avg&resolution=1m")
    )

    assert {row[1] for row in counted if row[-1] != "open"} == {"0", "2"}
    assert {row[1] for row in counted if row[-1] == "open"} == {"–", "2"}
    assert {row[1] for row in level} == {"5", "–"}


async def test_few_samples_are_muted_and_not_rated(system: System, seen: Seen, opened: Tab) -> None:
    """Five loads give no p75: only what it lies above, with how many they are, and no rating."""
    await opened.opened(ui(system, f"vitals?{seen.span}"))
    row = opened.page.get_by_role("row", name="/rare")
    cell = row.locator("td").nth(1)
    await expect(cell).to_have_text(re.compile(r"^\s*≥ 2\.\d+ s · 5$"))
    await expect(cell.locator(".muted")).to_be_visible()
    rated = await row.locator(".rating").count()
    await opened.opened(ui(system, f"vitals?{seen.span}&where=page=/rare"))

    await expect(opened.page.locator(".answer")).to_contain_text(
        "5 loads are too few for a p75. It lies above 2."
    )
    stat = opened.page.locator(".stat.muted", has_text="LCP p75")
    await expect(stat).to_contain_text("not rated")
    weight = await stat.locator(".stat-value").evaluate("(one) => getComputedStyle(one).fontWeight")
    assert (rated, weight) == (0, "400")


async def test_windows_that_were_revised_are_marked(system: System, seen: Seen, opened: Tab) -> None:
    """A mark below the line, and in the table how often and by how many points."""
    figure, rows = await chart(opened, ui(system, f"overview?{seen.span}&where=endpoint=/late"))

    await expect(figure.locator("text.revised").first).to_have_text("▾")
    assert any(re.search(r"revised \d+×, \d+ late point", row[-1]) for row in rows), rows
