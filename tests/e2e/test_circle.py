"""The whole circle over HTTP, and again after a kill of each service: counted once, stored once, paged once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.model.funnel import EFFECT_CREATION
from shared.model.window import BASE_MS
from shared.runtime.clock import now_ms
from tests.support.http.webhook import Webhook
from tests.support.processes.system import QUERY, SERVICES, System
from tests.support.wait import until
from tidegauge_client import Telemetry

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

KILLED = (*SERVICES, QUERY)
ROUNDS = len(KILLED) + 1
POINTS = 12
"""Points of one series and round; the k-th has the value 4^k, so a sum shows each one lost or doubled."""

VIEWS = 5
"""Events of a round beside its funnel steps; each is sent twice."""

STEPS = len(EFFECT_CREATION.steps)
FIRST_STEPS = 3
"""Steps of the session that gives up."""


@pytest.fixture
def webhook() -> Any:
    """Records what it is told."""
    with Webhook() as made:
        yield made


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path, webhook: Webhook) -> AsyncIterator[System]:
    """All services, which tell the webhook."""
    async with System(stack, tmp_path, webhook.url) as made:
        yield made


async def test_the_circle_closes_whatever_is_killed(system: System, webhook: Webhook) -> None:
    """Everything a client posts comes out once: rows, events, funnel, alert, page and message."""
    await asyncio.to_thread(post, system, 0)
    for number, service in enumerate(KILLED, 1):
        if service == "gateway":  # before the post, which then waits for it
            await system.kill(service)
        await asyncio.to_thread(post, system, number)
        if service != "gateway":  # with what was posted still on its way
            await system.kill(service)
    await system.answers()

    await until(lambda: all_told(webhook, {"firing"}), "every alert has fired")
    await next_window()
    await asyncio.to_thread(recover, system)
    await until(lambda: all_resolved(system), "every alert has resolved")
    await until(lambda: all_told(webhook, {"firing", "resolved"}), "the webhook was told of all")
    await until(lambda: all_counted(system), "as many points are counted as were posted and derived")
    await counted_once(system)
    await stored_once(system)
    await walked(await system.get("/v1/funnels/effect_creation"))
    await paged_once(system, webhook)


def post(system: System, number: int) -> None:
    """One round: points, events sent twice, two sessions in the funnel, and a response that takes six seconds."""
    with Telemetry(system.url, system.key) as client:
        for k in range(POINTS):
            client.point("circle.load", 4.0**k, labels={"round": str(number)})
        for _ in range(2):
            for view in range(VIEWS):
                client.event("circle.view", event_id=f"view-{number}-{view}", session_id=f"viewer-{number}")
        began_ms = now_ms() - 1000
        for name, steps in (("whole", STEPS), ("part", FIRST_STEPS)):
            for at, step in enumerate(EFFECT_CREATION.steps[:steps]):
                client.funnel_step(step, session_id=f"{name}-{number}", ts_ms=began_ms + at)
        assert client.flush(60)
        # Only now, when the gateway answers: a point that comes after its window has closed does not page.
        client.point("api.response_seconds", 6.0, labels={"endpoint": f"/circle-{number}"})
        assert client.flush(60)


async def next_window() -> None:
    """Wait for it: a response that is fast enough does not undo a slow one of its own window."""
    window = now_ms() // BASE_MS

    async def begun() -> bool:
        return now_ms() // BASE_MS > window

    await until(begun, "the next window")


def recover(system: System) -> None:
    """A response that is fast enough for each alert: silence is no recovery."""
    with Telemetry(system.url, system.key) as client:
        for number in range(ROUNDS):
            client.point("api.response_seconds", 0.1, labels={"endpoint": f"/circle-{number}"})
        assert client.flush(60)


async def all_resolved(system: System) -> bool:
    """Whether each round's alert has come and gone, as the API says."""
    found = (await system.get("/v1/alerts", state="resolved"))["alerts"]
    return {a["labels"]["endpoint"] for a in found if a["labels"]["alertname"] == "ApiResponseCritical"} == {
        f"/circle-{number}" for number in range(ROUNDS)
    }


async def all_told(webhook: Webhook, statuses: set[str]) -> bool:
    """Whether the webhook has heard of these for each round."""
    heard = {(a["labels"]["endpoint"], a["status"]) for a in criticals(webhook) if a["status"] in statuses}
    return len(heard) == len(statuses) * ROUNDS


def criticals(webhook: Webhook) -> list[dict[str, Any]]:
    """The critical alerts among what the webhook was told."""
    alerts = [alert for delivery in webhook.received for alert in delivery.body["alerts"]]
    return [alert for alert in alerts if alert["labels"]["alertname"] == "ApiResponseCritical"]


async def all_counted(system: System) -> bool:
    """Whether no point is missing any more; a window that has closed is revised by those that come late."""
    (row,) = await system.sql(
        "SELECT sum(count) AS points FROM rollup_10s JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric IN ('circle.load', 'events.count')",
        system.tenant_id,
    )
    return (row["points"] or 0) >= (POINTS + VIEWS + STEPS + FIRST_STEPS) * ROUNDS


async def counted_once(system: System) -> None:
    """Every point is in the tables once: those posted and those derived."""
    loads = await system.sql(
        "SELECT labels->>'round' AS round, sum(sum) AS sum FROM rollup_10s JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric = 'circle.load' GROUP BY 1",
        system.tenant_id,
    )
    derived = await system.sql(
        "SELECT labels->>'type' AS type, sum(count) AS count FROM rollup_10s JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric = 'events.count' GROUP BY 1",
        system.tenant_id,
    )

    assert {str(n): (4**POINTS - 1) // 3 for n in range(ROUNDS)} == {r["round"]: r["sum"] for r in loads}
    assert {"circle.view": VIEWS * ROUNDS, "funnel_step": (STEPS + FIRST_STEPS) * ROUNDS} == {
        row["type"]: row["count"] for row in derived
    }


async def stored_once(system: System) -> None:
    """Every event is in the table once."""
    rows = await system.sql("SELECT type, event_id FROM event WHERE tenant_id = $1", system.tenant_id)
    views = [row["event_id"] for row in rows if row["type"] == "circle.view"]

    assert Counter(f"view-{n}-{v}" for n in range(ROUNDS) for v in range(VIEWS)) == Counter(views)
    assert len(rows) - len(views) == (STEPS + FIRST_STEPS) * ROUNDS


async def walked(funnel: dict[str, Any]) -> None:
    """Half of the sessions went all the way, the others took the first steps."""
    reached = [2 * ROUNDS] * FIRST_STEPS + [ROUNDS] * (STEPS - FIRST_STEPS)

    assert (2 * ROUNDS, ROUNDS, 0.5, 0) == (
        funnel["entries"], funnel["completed"], funnel["completion_rate"], funnel["out_of_order"]
    )  # fmt: skip
    assert reached == [step["sessions"] for step in funnel["steps"]]
    assert funnel["largest_drop"] == EFFECT_CREATION.steps[FIRST_STEPS]


async def paged_once(system: System, webhook: Webhook) -> None:
    """One beginning and one end an alert: in the audit, at the webhook but for repeats under one key, on the topic."""
    rows = await system.sql(
        "SELECT key, labels->>'endpoint' AS endpoint, transition FROM alert_event "
        "WHERE tenant_id = $1 AND rule LIKE '%ApiResponseCritical'",
        system.tenant_id,
    )
    keys = {row["key"] for row in rows}
    heard = {delivery.key for delivery in webhook.received}
    published = {event["id"] for event in await system.published_alerts()}

    assert Counter(
        {(f"/circle-{n}", kind): 1 for n in range(ROUNDS) for kind in ("firing", "resolved")}
    ) == Counter((row["endpoint"], row["transition"]) for row in rows)
    assert (keys, keys) == (keys & heard, keys & published)
