"""The live stream of a running query process: what comes as it comes, and what ends it."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from services.gateway.query.page.live.hub import MAX_OF_KEY
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.live import Event, stream
from tests.support.http.reader import Reader
from tests.support.points import Dot
from tests.support.wait import until

pytestmark = pytest.mark.servers

_ASKED = {
    "from": "now-5m",
    "questions": [{"metric": "live.load", "aggregates": ["count"], "resolution": "10s"}],
}
ASKED = orjson.dumps(_ASKED).decode()
_ALERT = """
INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms,
    window_start_ms, value, threshold, expr, count, revision, watermark_ms, labels, key)
VALUES ($2, 1, 0, 'firing', $1, 'r', 'live', 0, 0, 6, 5, 'e', 1, 0, 0, '{}', $2)
"""


@pytest_asyncio.fixture
async def client(mine: Reader) -> AsyncIterator[httpx2.AsyncClient]:
    """Who listens, with a key."""
    async with httpx2.AsyncClient(base_url=mine.url, timeout=60, headers={"x-api-key": mine.key}) as made:
        yield made


async def arrive(mine: Reader, gateway: Gateway, pool: connections.Pool, count: int) -> None:
    """So many points come in the window that is open."""
    owner, now = Series(mine.tenant_id, "live.load", "delta", "", ()), now_ms()
    partition = FoldedPartition(pool, gateway.topic, 0)
    await partition.fold_in_time([Dot(owner, now, 1.0)] * count, now)
    await partition.show(gateway.kafka, gateway.prefix)


def count_of(event: Event) -> float:
    """All points of an event's windows."""
    (result,) = event.data["answer"]["results"]
    return sum(value or 0 for series in result.get("series", ()) for value in series["values"]["count"])


async def test_first_comes_everything_and_then_what_changes(
    client: httpx2.AsyncClient, mine: Reader, gateway: Gateway, pool: connections.Pool
) -> None:
    """Points that arrive are told without being asked for, and by a second stream at once."""
    async with stream(client, q=ASKED) as events:
        first = await anext(events)
        await arrive(mine, gateway, pool, 3)
        told = [event async for event in _till(events, 3)]
        async with stream(client, q=ASKED) as others:
            other = await anext(others)

    assert {"now_ms", "complete_until_ms", "behind_ms", "status", "answer", "alerts"} == first.data.keys()
    assert ("snapshot", 0, True) == (first.event, count_of(first), first.id.isdigit())
    assert ("snapshot", 3) == (other.event, count_of(other))
    assert 3 == count_of(told[-1])


async def _till(events: AsyncIterator[Event], count: int) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if count_of(event) >= count:
            return


async def test_alert_transitions_are_told_and_resumed(
    client: httpx2.AsyncClient, mine: Reader, foreign: Reader
) -> None:
    """Those of the tenant alone; who comes back with the last id hears what it missed."""
    first, second = (secrets.token_hex(4) for _ in range(2))
    async with stream(client, view="overview") as events:
        before = await anext(events)
        await foreign.write(_ALERT, (foreign.tenant_id, secrets.token_hex(4)))
        await mine.write(_ALERT, (mine.tenant_id, first))
        told = [event async for event in _with_alerts(events)]
    await mine.write(_ALERT, (mine.tenant_id, second))
    async with stream(client, view="overview", last=told[-1].id) as events:
        again = await anext(events)

    assert [] == before.data["alerts"]
    assert [first] == [one["key"] for one in told[-1].data["alerts"]]
    assert told[-1].id == str(told[-1].data["alerts"][-1]["id"])
    assert [first, second] == [one["key"] for one in again.data["alerts"]]


async def _with_alerts(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if event.data["alerts"]:
            return


async def test_a_revoked_key_ends_its_streams(gateway: Gateway, stack: Stack) -> None:
    """It is told why; a key that only writes has none."""
    key = api_keys.new_key("read")
    await api_keys.create(stack.postgres, f"live-{secrets.token_hex(4)}", key, "read")
    async with (
        httpx2.AsyncClient(base_url=gateway.query_url, timeout=60, headers={"x-api-key": key}) as client,
        stream(client, view="overview") as events,
    ):
        await anext(events)
        await api_keys.revoke(stack.postgres, key)
        last = [event async for event in events][-1]

    assert ("bye", {"reason": "revoked"}) == (last.event, last.data)


async def test_a_key_has_so_many_streams(client: httpx2.AsyncClient, mine: Reader) -> None:
    """More are told to come again, and one that ends makes room."""
    async with asyncio.TaskGroup() as group, httpx2.AsyncClient(base_url=mine.url, timeout=60) as other:
        done, opened = asyncio.Event(), asyncio.Semaphore(0)

        async def listen() -> None:
            async with stream(other, view="overview") as events:
                await anext(events)
                opened.release()
                await done.wait()

        other.headers["x-api-key"] = mine.key
        for _ in range(MAX_OF_KEY):
            group.create_task(listen())
        for _ in range(MAX_OF_KEY):
            await opened.acquire()
        refused = await client.get("/v1/live", params={"view": "overview"})
        done.set()

    async def makes_room() -> bool:
        async with client.stream("GET", "/v1/live", params={"view": "overview"}) as answer:
            return answer.status_code == 200

    await until(makes_room, "there is room again")
    assert (429, "too_many_streams") == (refused.status_code, refused.json()["code"])
    assert "retry-after" in refused.headers


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "invalid_view"),
        ({"view": "x" * 1000}, "invalid_view"),
        ({"q": "{"}, "malformed_json"),
        ({"q": '{"questions":[]}'}, "invalid_question"),
    ],
    ids=str,
)
async def test_what_cannot_be_streamed_is_refused(
    client: httpx2.AsyncClient, asked: dict[str, str], code: str
) -> None:
    """Before anything is sent."""
    answer = await client.get("/v1/live", params=asked)

    assert (400, code) == (answer.status_code, answer.json()["code"])


async def test_a_process_that_ends_says_so_and_is_gone(leaving: Gateway) -> None:
    """Also while somebody listens who takes nothing."""
    frozen = socket.create_connection(("127.0.0.1", leaving.query.port))
    frozen.sendall(b"GET /v1/live?view=overview HTTP/1.1\r\nhost: a\r\nx-api-key: read\r\n\r\n")
    async with (
        httpx2.AsyncClient(base_url=leaving.query_url, timeout=60, headers={"x-api-key": "read"}) as client,
        stream(client, view="overview") as events,
    ):
        await anext(events)
        ending = asyncio.create_task(asyncio.to_thread(leaving.query.stop))
        last = [event async for event in events][-1]
        code = await ending
    frozen.close()

    assert ("bye", "restart", True) == (last.event, last.data["reason"], 0 < last.data["after_ms"] <= 5000)
    assert 0 == code
