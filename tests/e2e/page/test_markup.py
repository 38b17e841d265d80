"""Markup in what clients send is text on every page: labels, routes, messages of errors, annotations of alerts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from shared.runtime.clock import now_ms
from tests.support.page import AT_LENGTH, Tab, event, logged_in, post, reads, tab, ui
from tests.support.processes.system import System

pytestmark = AT_LENGTH

ROUTE = "/<img src=x onerror=alert(1)>"
MESSAGE = "<script>document.title='taken'</script> is not <b>defined</b>"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def opened(system: System, browser: Browser) -> AsyncIterator[Tab]:
    """A tab, after an app has sent markup wherever it may send text: a route, a page, an error, what pages."""
    ts = now_ms()
    labels = {"endpoint": ROUTE, "method": "<i>GET</i>", "status": "200"}
    points: list[dict[str, Any]] = [
        {
            "name": "api.response_seconds",
            "kind": "delta",
            "unit": "s",
            "value": 7,
            "ts": ts,
            "labels": labels,
        },
        {
            "name": "web_vital.lcp",
            "kind": "gauge",
            "unit": "ms",
            "value": 9000,
            "ts": ts,
            "labels": {"page": ROUTE},
        },
    ]
    error = event("error", "<b>Error</b>", ts, "visitor") | {"properties": {"message": MESSAGE}}
    for path, body in (("/v1/telemetry", {"points": points}), ("/v1/events", {"events": [error]})):
        assert (await post(system, path, body)).json()["rejected"] == []
    await reads(system, "/v1/alerts?state=firing&state=resolved", "<img")
    context = await logged_in(browser, system.query_url, system.key)
    made = await tab(context)
    yield made
    await context.close()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("latency?from=now-15m", ROUTE, id="routes"),
        pytest.param("latency?from=now-15m&by=method", "<i>GET</i>", id="labels"),
        pytest.param("vitals?from=now-15m&vital=lcp", ROUTE, id="pages"),
        pytest.param("errors?from=now-15m", MESSAGE, id="messages"),
        pytest.param("explore?from=now-15m&by=endpoint&agg=max", ROUTE, id="groups"),
    ],
)
async def test_what_clients_send_is_text(system: System, opened: Tab, path: str, text: str) -> None:
    """It stands there as it was sent, and no element of it is made."""
    await opened.opened(ui(system, path))
    await expect(opened.page.locator("main").get_by_text(text).first).to_be_visible()

    assert (await opened.page.locator("main img, main script, main i").count(), opened.said) == (0, [])


async def test_annotations_of_alerts_are_text(system: System, opened: Tab) -> None:
    """What fires, its summary, and why: with the route in each."""
    found = await system.get("/v1/alerts?state=firing&state=resolved")
    one = next(each for each in found["alerts"] if each["labels"].get("endpoint") == ROUTE)
    state = one["state"] if one["state"] != "firing" else ""
    for path in (f"alerts?state={state}", f"alerts/{one['fingerprint']}"):
        await opened.opened(ui(system, path))
        await expect(opened.page.locator("main").get_by_text(ROUTE).first).to_be_visible()
        assert await opened.page.locator("main img").count() == 0

    assert opened.said == []
