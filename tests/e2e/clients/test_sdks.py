"""SDKs of Sentry and PostHog as their users run them, nothing patched: what they report is in Postgres.

In Python as applications do, in Chromium as a page loads them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from tests.e2e.clients.packages import chromium, modules
from tests.support.chromium import Chromium
from tests.support.http.site import Site
from tests.support.processes.system import System
from tests.support.wait import settled, until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(540), pytest.mark.asyncio(loop_scope="module")]

APPS = Path(__file__).parent

STORED = """
SELECT type, CASE type WHEN 'log' THEN properties->>'message' ELSE name END AS name, user_id
FROM event WHERE tenant_id = $1 ORDER BY 1, 2, 3
"""
"""Events by type, and name or message."""

OF_A_PAGE = {
    ("Button Clicked", ""), ("page_view", "/"), ("page_leave", ""), ("error", "TypeError"), ("error", "RangeError"),
    ("log", "started"), ("log", "low stock"), ("session_start", ""), ("session_end", ""),
}  # fmt: skip

SERIES_OF_A_PAGE = {
    "orders": {"release": "shop@1", "environment": "test"},
    "api.response_seconds": {"method": "POST", "status": "404"},
    "web_vital.fcp": {"navigation_type": "navigate"},
    "web_vital.lcp": {"navigation_type": "navigate"},
}
"""Metrics, and labels that one of their series has."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """All services of a new installation; nobody is paged."""
    settings = {"TIDEGAUGE_WRITE_VERSION": "5"}
    folder = tmp_path_factory.mktemp("sdks")
    async with System(stack, folder, "http://127.0.0.1:1/", settings) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def system(services: System) -> System:
    """The same services, for a tenant of its own."""
    key = api_keys.new_key("admin")
    await api_keys.create(services.stack.postgres, key, key, "admin")
    (row,) = await services.sql("SELECT tenant_id FROM tenant WHERE name = $1", key)
    return replace(services, key=key, tenant_id=row["tenant_id"])


async def ran(app: str, *arguments: str) -> None:
    """Run an application until it has sent all it has."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(APPS / app), *arguments)
    assert await process.wait() == 0


async def stored(system: System, wanted: int) -> list[tuple[str, str, str | None]]:
    """Type, name and user of each event, as soon as there are so many."""
    found: list[tuple[str, str, str | None]] = []

    async def all_there() -> bool:
        rows = await system.sql(STORED, system.tenant_id)
        found[:] = [(row["type"], row["name"], row["user_id"]) for row in rows]
        return len(found) >= wanted

    await until(all_there, f"{wanted} events are stored", 30)
    return found


async def counted(system: System, metric: str, labels: dict[str, str]) -> float:
    """The sum of a series, as soon as it has one."""
    sums: list[float] = []

    async def has_window() -> bool:
        found = await system.get("/v1/windows", metric=metric)
        sums[:] = [each["sum"] for each in found["windows"] if labels.items() <= each["labels"].items()]
        return bool(sums)

    await until(has_window, f"{metric} is in a window", 30)
    return sum(sums)


async def test_what_sentry_sdk_reports_is_stored(system: System) -> None:
    """Errors, messages, logs, metrics, response times and sessions."""
    await ran("sentry_app.py", system.url.replace("://", f"://{system.key}@") + "/1")

    assert [
        ("error", "ValueError", "ann"), ("log", "low stock", None), ("log", "started", "ann"),
        ("session_end", "", "ann"), ("session_start", "", "ann"),
    ] == await stored(system, 5)  # fmt: skip
    assert 2 == await counted(system, "orders", {"release": "shop@1", "environment": "test"})
    served = {"endpoint": "/users/{id}", "method": "GET", "status": "200"}
    asked = {"endpoint": "http://stock.example/items", "method": "GET", "status": "503"}
    assert 0 < await counted(system, "api.response_seconds", served)
    assert 0 < await counted(system, "api.response_seconds", asked)


async def test_what_posthog_captures_is_stored(system: System) -> None:
    """Events with their properties, and exceptions; compressed or not."""
    await ran("posthog_app.py", system.key, system.url)

    assert [("Button Clicked", "", "ann")] * 2 + [("error", "ValueError", "ann")] * 2 == await stored(
        system, 4
    )
    rows = await system.sql(
        "SELECT properties FROM event WHERE tenant_id = $1 AND type = 'Button Clicked'", system.tenant_id
    )
    assert {(12.5, False), (12.5, True)} == {
        (said["total"], said["gzip"]) for said in (orjson.loads(row["properties"]) for row in rows)
    }


async def test_what_a_page_reports_is_stored(system: System, tmp_path: Path) -> None:
    """@sentry/browser and posthog-js: errors, caught or not, messages, sessions, clicks, response times and vitals."""
    pages = {"/": APPS / "shop.html"}
    async with (
        Site(system.url, pages, {"/node_modules": modules()}) as shop,
        Chromium(chromium(), tmp_path) as browser,
    ):
        page = await browser.page()
        await page.open(f"{shop.url}/?key={system.key}")

        async def lacking() -> set[tuple[str, str]]:
            rows = await system.sql(STORED, system.tenant_id)
            return OF_A_PAGE - {(row["type"], row["name"]) for row in rows}

        lost = await settled(lacking, set(), 180)
        assert (set(), []) == (lost, [each for each in shop.arrived if each.status >= 500])
        for metric, labels in SERIES_OF_A_PAGE.items():
            await counted(system, metric, labels)

    assert {200} == {each.status for each in shop.arrived if each.path not in ("/api/pay", "/favicon.ico")}


async def test_what_a_client_believes_delivered_is_stored_once(system: System) -> None:
    """A gateway is killed meanwhile: each event is stored, or a callback or a client report says that it failed."""
    app = await asyncio.create_subprocess_exec(
        sys.executable, str(APPS / "steady_app.py"), system.key, system.url,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await stored(system, 20)
    await system.kill("gateway")
    before = len(await system.sql(STORED, system.tenant_id))
    await stored(system, before + 20)
    app.terminate()
    output, _ = await asyncio.wait_for(app.communicate(), 60)
    said = orjson.loads(output)
    believed = set(said["captured"]) - set(said["failed"])

    async def all_stored() -> bool:
        return believed <= set(await ids(system, "order placed"))

    async def all_known() -> bool:
        known = len(await ids(system, "error")) + await lost(system)
        return bool(said["messages"] <= known)

    await until(all_stored, "what PostHog's client believes delivered is stored", 30)
    await until(all_known, "each message is stored or reported as lost", 30)
    for type_ in ("order placed", "error"):
        found = await ids(system, type_)
        assert len(set(found)) == len(found)


async def ids(system: System, type_: str) -> list[str]:
    """The ids of all events of a type."""
    rows = await system.sql(
        "SELECT event_id FROM event WHERE tenant_id = $1 AND type = $2", system.tenant_id, type_
    )
    return [row["event_id"] for row in rows]


async def lost(system: System) -> float:
    """What Sentry's client says that it has lost of errors."""
    found = await system.get("/v1/windows", metric="client.discarded", label="category=error")
    return float(sum(window["sum"] for window in found["windows"]))
