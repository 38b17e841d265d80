"""Events in pages, reports, what differs, how fast answers are; and that no tenant learns of another."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from services.gateway.query.app import PATHS, POSTED
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot
from tests.support.wait import until

pytestmark = pytest.mark.servers

MINUTE_MS = 60_000

_EVENT = (
    "INSERT INTO event VALUES ($1, $1, $2, $3, $4, 'n', 's-secret', 'u-secret', '{\"page\": \"/secret\"}')"
)


async def write_events(mine: Reader, count: int) -> int:
    """So many events of one type, two a second, the last one now; the time of the last."""
    now = now_ms() // 1000 * 1000
    rows = [
        (
            datetime.fromtimestamp((now - place // 2 * 1000) / 1000, UTC),
            mine.tenant_id,
            f"e{place:04}",
            "secret.type",
        )
        for place in range(count)
    ]
    await mine.write(_EVENT, *rows)
    return now


async def write_points(mine: Reader, gateway: Gateway, pool: connections.Pool) -> None:
    """Two routes, of which one was slow for a while."""
    now = now_ms()
    series = [
        Series(mine.tenant_id, "api.response_seconds", "delta", "s", (("endpoint", path), ("status", "200")))
        for path in ("/secret-a", "/secret-b")
    ]
    dots = [
        Dot(owner, now - place * 10_000, 5.0 if owner is series[1] and 60 <= place < 90 else 0.25)
        for owner in series
        for place in range(1, 180)
    ]
    partition = FoldedPartition(pool, gateway.topic, 0)
    await partition.fold_in_time(dots, now)
    await partition.show(gateway.kafka, gateway.prefix)

    async def all_are_there() -> bool:
        found = (await mine.ask("/api/v1/analytics/quick-stats")).json()["requests"]
        return found is not None and len(dots) == found["count"]

    await until(all_are_there, "the gateway has read the open windows")


async def first_of_stream(foreign: Reader) -> str:
    """What a live stream begins with: its first answer."""
    q = '{"questions":[{"metric":"api.response_seconds","by":["endpoint"]}]}'
    async with (
        httpx2.AsyncClient(base_url=foreign.url, timeout=20) as client,
        client.stream("GET", "/v1/live", params={"q": q}, headers={"x-api-key": foreign.key}) as answer,
    ):
        lines = []
        async for line in answer.aiter_lines():
            lines.append(line)
            if line.startswith("data:"):
                break
    assert any(line == "event: snapshot" for line in lines)
    return "\n".join(lines)


async def test_pages_of_events_hold_each_event_once(mine: Reader) -> None:
    """Newest first, also where several happened in one millisecond."""
    await write_events(mine, 25)
    found, cursor, pages = list[str](), "", 0

    while cursor is not None:
        body = (
            await mine.ask("/v1/events", type="secret.type", limit="10", fields="event_id", cursor=cursor)
        ).json()
        found += [event["event_id"] for event in body["events"]]
        cursor, pages = body["next"], pages + 1

    assert 3 == pages
    assert sorted(found) == [f"e{place:04}" for place in range(25)]


async def test_a_cursor_of_another_tenant_or_question_is_refused(mine: Reader, foreign: Reader) -> None:
    """It says so, and names the first page."""
    await write_events(mine, 25)
    answer = await mine.ask("/v1/events", type="secret.type", limit="10")
    cursor = answer.json()["next"]

    tried = [
        await foreign.ask("/v1/events", type="secret.type", limit="10", cursor=cursor),
        await mine.ask("/v1/events", type="other", limit="10", cursor=cursor),
    ]

    assert 'rel="next"' in answer.headers["link"]
    assert [(400, "cursor_mismatch")] * 2 == [(each.status_code, each.json()["code"]) for each in tried]


async def test_reports_agree_with_the_question_that_they_are_made_of(
    mine: Reader, gateway: Gateway, pool: connections.Pool
) -> None:
    """Quick figures are those of the query API."""
    await write_points(mine, gateway, pool)

    quick = (await mine.ask("/api/v1/analytics/quick-stats")).json()
    q = (
        '{"questions":[{"metric":"api.response_seconds","aggregates":["count","p95"],"resolution":"1h",'
        f'"from":{quick["from_ms"]},"to":{quick["to_ms"]}}}]}}'
    )
    hours = (await mine.ask("/v1/query", q=q)).json()["results"][0]["series"][0]["values"]["count"]

    assert ("ok", 358.0) == (quick["status"], quick["requests"]["count"])
    assert 358.0 == sum(count for count in hours if count is not None)
    for path in ("dashboard", "summary/daily", "summary/weekly-optimized", "insights"):
        answer = await mine.ask(f"/api/v1/analytics/{path}", tz="Asia/Kathmandu")
        assert (200, "ok") == (answer.status_code, answer.json()["status"]), path


async def test_what_differs_names_the_route_that_was_slow(
    mine: Reader, gateway: Gateway, pool: connections.Pool
) -> None:
    """Of all values of all labels."""
    await write_points(mine, gateway, pool)
    body: dict[str, Any] = {
        "metric": "api.response_seconds", "from": "now-30m", "to": "now", "resolution": "1m",
        "selection": {"from": "now-30m", "to": "now", "low": 1.0},
    }  # fmt: skip

    async with httpx2.AsyncClient(base_url=mine.url, timeout=20) as client:
        answer = await client.post("/v1/differences", json=body, headers={"x-api-key": mine.key})

    first = answer.json()["differences"][0]
    assert ("endpoint", "/secret-b", 1.0) == (first["label"], first["value"], first["inside_share"])
    assert 30.0 == first["inside"]


async def test_no_route_shows_one_tenant_anything_of_another(
    mine: Reader, foreign: Reader, gateway: Gateway, pool: connections.Pool
) -> None:
    """No row, name, label or value, whatever is asked for by name."""
    await write_points(mine, gateway, pool)
    await write_events(mine, 5)
    names = {
        "{name}": "api.response_seconds",
        "{label}": "endpoint",
        "{fingerprint}": "x",
        "{alert_id}": "x",
        "{silence_id}": "x",
        "{id:path}": "x",
    }

    shown = await first_of_stream(foreign)
    for template in (each for each in PATHS if each != "/v1/live"):
        path = template
        for part, name in names.items():
            path = path.replace(part, name)
        answer = await foreign.ask(
            path, metric="api.response_seconds", type="secret.type", session_id="s-secret",
            q='{"questions":[{"metric":"api.response_seconds","by":["endpoint"]}]}',
        )  # fmt: skip
        # No service of this test commits anything, so that the health of the system is down.
        assert answer.status_code < 500 or path.endswith("/system/health"), path
        shown += answer.text
    async with httpx2.AsyncClient(base_url=foreign.url, timeout=20) as client:
        for path in POSTED:
            body = {"questions": [{"metric": "api.response_seconds", "by": ["endpoint"]}]}
            shown += (await client.post(path, json=body, headers={"x-api-key": foreign.key})).text

    assert "secret" not in shown


async def test_performance_shows_times_by_route_and_health_needs_no_key(mine: Reader) -> None:
    """Both of the process that answers."""
    await mine.ask("/v1/metrics")

    found = (await mine.ask("/performance")).json()
    async with httpx2.AsyncClient(base_url=mine.url) as client:
        health = await client.get("/health")

    assert 1 <= found["requests"]["routes"]["/v1/metrics"]["total_requests"]
    assert found["pool"]["limit"] >= found["pool"]["size"]
    assert {"open": 0, "limit": 500} == found["live_streams"]
    assert (200, "up") == (health.status_code, health.json()["dependencies"]["postgres"])
