"""The page in Debian's Chromium, by Playwright: what its console says, what it may not do, what axe finds.

Sizes are CSS pixels. `said` holds what no page may say: errors and warnings of the console, violations of the policy.
"""

import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from shared.model.window import BASE_MS
from shared.runtime.clock import now_ms
from tests.e2e.clients.packages import chromium
from tests.support.processes.system import System
from tests.support.wait import until

OF_THE_PAGE = [pytest.mark.servers, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="package")]
"""What tests of the page are marked with: they share a system and a browser."""

AT_LENGTH = [*OF_THE_PAGE, pytest.mark.skipif(os.environ.get("TIDEGAUGE_PAGE") != "all", reason="make page")]
"""Those that take minutes."""

PATIENCE_MS = 60_000
"""How long a fact of the page is waited for, on a machine that three tests share."""

expect.set_options(timeout=PATIENCE_MS)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

PAGES = (
    "overview", "vitals", "latency", "errors", "funnels", "alerts", "explore", "pipeline", "connect", "keys",
)  # fmt: skip
"""Names of the pages."""

WIDE, NARROW = (1280, 800), (360, 740)
"""A desk and a phone."""

ENDPOINTS = ("/checkout", "/search", "/cart")

_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective))"
)


@dataclass
class Tab:
    """A tab, and what it said that it must not."""

    page: Page
    said: list[str] = field(default_factory=list)

    async def opened(self, url: str) -> None:
        """Go to an address, and wait until nothing is asked for any more."""
        await self.page.goto(url)
        await self.settled()

    async def settled(self) -> None:
        """Wait until the page shows what it has to show."""
        await self.page.locator("main h1, main h2").first.wait_for()
        await self.page.locator(".skeleton").first.wait_for(state="detached")

    async def text(self) -> str:
        """What the page says, the frame aside."""
        return await self.page.locator("main").inner_text()

    async def says(self, text: str) -> None:
        """Wait until the page, or its frame, says this."""
        await self.page.get_by_text(text).first.wait_for()

    async def faults(self) -> list[str]:
        """What axe finds that is serious or critical, and what hangs over the edge."""
        found = await Axe().run(self.page)
        wide = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        over = [f"{wide} px wider than the window"] if wide > 0 else []
        return over + [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found.response["violations"]
            if each["impact"] in {"serious", "critical"}
        ]


async def stranger(browser: Browser, **options: Any) -> BrowserContext:
    """A browser of somebody who has not logged in."""
    return await browser.new_context(timezone_id="Europe/Berlin", locale="en-GB", **options)


@asynccontextmanager
async def browsers() -> AsyncIterator[Browser]:
    """One Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        await browser.close()


async def tab(context: BrowserContext) -> Tab:
    """A new tab that is listened to."""
    await context.add_init_script(_VIOLATIONS)
    made = Tab(await context.new_page())
    made.page.set_default_timeout(PATIENCE_MS)
    made.page.on(
        "console", lambda said: made.said.append(said.text) if said.type in {"error", "warning"} else None
    )
    made.page.on("pageerror", lambda error: made.said.append(str(error)))
    return made


async def logged_in(browser: Browser, url: str, key: str, **options: Any) -> BrowserContext:
    """A browser of somebody who has logged in with a key."""
    context = await stranger(browser, **options)
    answer = await context.request.post(
        f"{url}/v1/session", data={"key": key}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.ok, await answer.text()
    return context


@asynccontextmanager
async def listened(browser: Browser, system: System, but: str = "^$", **options: Any) -> AsyncIterator[Tab]:
    """A tab of somebody who has logged in; at its end it has said nothing but what this expression finds."""
    context = await logged_in(browser, system.query_url, system.key, **options)
    made = await tab(context)
    yield made
    await context.close()
    assert [text for text in made.said if not re.search(but, text)] == []


def ui(system: System, page: str = "overview") -> str:
    """The address of a page."""
    return f"{system.query_url}/ui/{page}"


def shop(minutes: int = 10) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Points and events of a shop in the last minutes: responses, errors, vitals, scripts that fail, a funnel."""
    now, points, events = now_ms(), list[dict[str, Any]](), list[dict[str, Any]]()
    for second in range(0, minutes * 60, 3):
        ts, number = now - second * 1000, second // 3
        endpoint, status = ENDPOINTS[number % 3], "503" if number % 25 == 7 else "200"
        labels = {"endpoint": endpoint, "method": "GET", "status": status}
        usual = {"kind": "delta", "unit": "s", "ts": ts}
        points.append(
            {"name": "api.response_seconds", "value": 0.05 + number % 7 / 20, "labels": labels, **usual}
        )
        vital = {"kind": "gauge", "ts": ts, "labels": {"page": endpoint}}
        points.append({"name": "web_vital.lcp", "value": 1800 + number % 11 * 250, "unit": "ms", **vital})
        points.append({"name": "web_vital.cls", "value": number % 5 / 25, "unit": "1", **vital})
    for number in range(40):
        session, ts = f"visitor-{number}", now - number * 5000
        for step, name in enumerate(("effect_discovery", "effect_viewing", "effect_start")[: 1 + number % 3]):
            events.append(event("funnel_step", name, ts + step * 800, session))
    events += [event("error", "TypeError", now - number * 9000, f"visitor-{number}") for number in range(6)]
    return points, events


def event(kind: str, name: str, ts: int, session: str) -> dict[str, Any]:
    """An event of a session."""
    properties = {"message": "x is <b>undefined</b>"} if kind == "error" else {"funnel": "effect_creation"}
    return {
        "event_id": secrets.token_hex(8), "type": kind, "name": name, "ts": ts, "session_id": session,
        "properties": properties,
    }  # fmt: skip


async def replay(system: System) -> None:
    """Post the shop, a response of 6 s that pages, and a body that is refused; wait until each can be read."""
    points, events = shop()
    slow = {
        "name": "api.response_seconds", "value": 6, "kind": "delta", "unit": "s", "ts": now_ms(),
        "labels": {"endpoint": "/checkout", "method": "GET", "status": "200"},
    }  # fmt: skip
    answers = [await post(system, "/v1/telemetry", {"points": part}) for part in (points, [slow])]
    answers.append(await post(system, "/v1/events", {"events": events}))
    assert [[], [], []] == [answer.json()["rejected"] for answer in answers]
    assert (await post(system, "/v1/telemetry", {"points": [{"name": "no value"}]})).status_code == 422
    for path, has in (
        ("/v1/alerts?state=firing&state=resolved", "ApiResponseCritical"),
        ("/v1/metrics?size=100", "web_vital.lcp"), ("/v1/metrics?size=100", "errors.count"),
        ("/v1/metrics?size=100", "events.count"),
    ):  # fmt: skip
        await reads(system, path, has)
    window = now_ms() // BASE_MS

    async def passed() -> bool:
        return now_ms() // BASE_MS > window

    # In a window of its own: a fast response does not undo a slow one, and silence would end the alert in minutes.
    await until(passed, "the next window")
    await post(system, "/v1/telemetry", {"points": [slow | {"value": 0.1, "ts": now_ms()}]})


async def post(system: System, path: str, body: dict[str, Any], url: str = "") -> httpx2.Response:
    """Post as an application does, or to another address."""
    async with httpx2.AsyncClient(
        base_url=url or system.url, headers={"X-API-Key": system.key}, timeout=20
    ) as client:
        return await client.post(path, json=body)


async def reads(system: System, path: str, has: str) -> None:
    """Wait until an answer of the queries has a text."""
    headers = {"X-API-Key": system.key}
    async with httpx2.AsyncClient(base_url=system.query_url, headers=headers, timeout=20) as client:

        async def fact() -> bool:
            return has in (await client.get(path)).text

        await until(fact, f"{path} has {has}", 60)
