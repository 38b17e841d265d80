"""`GET /v1/windows` over real tables and a real cache."""

import re
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import orjson
import pytest
from redis.asyncio import Redis

from deploy.local.stack import Stack
from shared.model.series import Series
from shared.model.window import start_of
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Message, Sender
from shared.wire import series
from shared.wire.stored import live
from shared.wire.topics import WINDOWS
from tests.support.http.gateway import Gateway, status
from tests.support.wait import until
from tests.support.windows import message as live_message

pytestmark = pytest.mark.servers

_SERIES = "INSERT INTO series VALUES ($1, $2, $3, $4, $5, $6::jsonb) ON CONFLICT DO NOTHING"
_ROLLUP = """
INSERT INTO rollup_10s VALUES ($1, $2, 1, 2, 4, 10, 1, 4, 4, $1, $1, '{12000,12035}', '{1,3}') ON CONFLICT DO NOTHING
"""


async def close_window(stack: Stack, owner: Series, labels: str, start_ms: int) -> None:
    """Write a closed window as the aggregator does."""
    packed = series.pack(owner)
    conn = await asyncpg.connect(stack.postgres)
    try:
        key = series.series_id(packed)
        await conn.execute(_SERIES, key, owner.tenant_id, owner.metric, owner.kind, owner.unit, labels)
        await conn.execute(_ROLLUP, datetime.fromtimestamp(start_ms / 1000, UTC), key)
    finally:
        await conn.close()


async def show_live(gateway: Gateway, owner: Series, start_ms: int) -> None:
    """Publish a live window as the aggregator does, and wait until it is shown."""
    await publish(gateway, live_message({(owner, start_ms): [9.0]}, start_ms))

    async def is_shown() -> bool:
        found = (await ask(gateway, metric=owner.metric, limit=10_000)).json()["windows"]
        return any(row["start_ms"] == start_ms for row in found)

    await until(is_shown, "the live window is shown")


async def publish(gateway: Gateway, value: bytes) -> None:
    """Append to the topic of windows."""
    sender = Sender(gateway.kafka, "test")
    try:
        await sender.send([Message(gateway.prefix + WINDOWS.name, 0, value)])
    finally:
        await sender.close()


async def ask(gateway: Gateway, key: str = "read", **params: Any) -> httpx2.Response:
    """Ask for windows."""
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20) as client:
        return await client.get("/v1/windows", params=params, headers={"x-api-key": key})


async def tenant(stack: Stack) -> int:
    """The tenant of the read key."""
    conn = await asyncpg.connect(stack.postgres)
    try:
        found: int = await conn.fetchval("SELECT tenant_id FROM tenant WHERE name = 'gateway-wide'")
        return found
    finally:
        await conn.close()


async def test_closed_and_live_windows_are_one_answer(stack: Stack, gateway: Gateway) -> None:
    """Ordered, marked, filtered by labels, and a closed one wins over a live one."""
    mine = await tenant(stack)
    now = start_of(now_ms())
    owner = Series(mine, "joined", "delta", "s", (("host", "a"), ("zone", "z")))
    other = Series(mine, "joined", "delta", "s", (("host", "b"),))
    foreign = Series(mine + 1, "joined", "delta", "s", (("host", "a"),))
    await close_window(stack, owner, '{"host": "a", "zone": "z"}', now - 20_000)
    await close_window(stack, other, '{"host": "b"}', now - 20_000)
    await close_window(stack, foreign, '{"host": "a"}', now - 20_000)
    await publish(gateway, live_message({(owner, now - 20_000): [9.0]}, now - 20_000))
    await show_live(gateway, owner, now - 10_000)

    answer = await ask(gateway, metric="joined", label="host=a", quantile=["0.5", "1"])
    first, second = answer.json()["windows"]

    assert (now - 20_000, now - 10_000, True, 10.0) == (
        first["start_ms"],
        first["end_ms"],
        first["final"],
        first["sum"],
    )
    assert (now - 10_000, False, 9.0) == (second["start_ms"], second["final"], second["sum"])
    assert {"host": "a", "zone": "z"} == first["labels"]
    assert ["0.5", "1.0"] == list(first["quantiles"])
    assert (1, 2, False) == (first["revision"], first["late_count"], answer.json()["truncated"])


async def test_a_live_window_of_an_unknown_version_is_no_answer(stack: Stack, leaving: Gateway) -> None:
    """503 with the version: to leave it out would show less than there is, as if it were all. Redis is asked then."""
    prefix, now = leaving.prefix, start_of(now_ms())
    owner = Series(await tenant(stack), "later", "gauge", "", ())
    await show_live(leaving, owner, now)
    await publish(leaving, b"\x81\xa1v\x63")

    async def is_hidden() -> bool:
        return (await ask(leaving, metric="later")).json()["windows"] == []

    await until(is_hidden, "live windows come from Redis")
    client = Redis.from_url(stack.redis)
    try:
        await client.set(
            live.key_of_all(prefix, 0, now), bytes(8) + bytes([99]) + b"of a later build", ex=live.TTL_S
        )
        refused = await ask(leaving, metric="unknown")
        await client.delete(live.key_of_all(prefix, 0, now))
    finally:
        await client.aclose()
    taken = await ask(leaving, metric="unknown")

    assert (503, "unavailable", 200) == (refused.status_code, refused.json()["code"], taken.status_code)
    assert "live window of version 99" in refused.json()["message"]


async def test_windows_of_a_coarser_tier_are_asked_for_by_their_length(
    stack: Stack, gateway: Gateway
) -> None:
    """Those of the finest tier are not among them, and they say when extremes are bounds."""
    owner = Series(await tenant(stack), "coarse", "delta", "s", ())
    start_ms = start_of(now_ms(), 60_000) - 120_000
    await close_window(stack, owner, "{}", start_ms)
    conn = await asyncpg.connect(stack.postgres)
    await conn.execute(
        "INSERT INTO rollup_1m SELECT window_start, series_id, 0, 0, 8, 20, 1, 4, 4, window_start, watermark, "
        "sketch_bucket, sketch_weight, true FROM rollup_10s WHERE series_id = $1",
        series.series_id(series.pack(owner)),
    )
    await conn.close()

    (found,) = (await ask(gateway, metric="coarse", resolution="1m")).json()["windows"]

    assert (start_ms, start_ms + 60_000, 8.0, True) == (
        found["start_ms"], found["end_ms"], found["count"], found["estimated"]
    )  # fmt: skip


async def test_a_row_says_its_samples_and_whether_it_is_kept_up(stack: Stack, gateway: Gateway) -> None:
    """Of a row from before they were counted they are null; its quantiles lie within its extremes in any case."""
    owner = Series(await tenant(stack), "samples", "delta", "s", ())
    now = start_of(now_ms())
    for start_ms in (now - 30_000, now - 20_000):
        await close_window(stack, owner, "{}", start_ms)
    conn = await asyncpg.connect(stack.postgres)
    await conn.execute(
        "UPDATE rollup_10s SET samples = 3, kept_up = false WHERE series_id = $1 AND window_start = to_timestamp($2)",
        series.series_id(series.pack(owner)),
        (now - 20_000) / 1000,
    )
    await conn.close()
    await show_live(gateway, owner, now - 10_000)

    rows = (await ask(gateway, metric="samples", quantile=["0", "1"])).json()["windows"]

    assert [(None, True), (3, False), (1, True)] == [(row["samples"], row["kept_up"]) for row in rows]
    assert all(row["min"] <= value <= row["max"] for row in rows for value in row["quantiles"].values())


async def test_an_answer_beyond_the_limit_says_so(stack: Stack, gateway: Gateway) -> None:
    """The oldest rows come first, and `truncated` tells of more."""
    owner = Series(await tenant(stack), "many", "gauge", "", ())
    now = start_of(now_ms())
    for back in (30_000, 40_000, 50_000):
        await close_window(stack, owner, "{}", now - back)

    body = (await ask(gateway, "admin", metric="many", limit=2)).json()

    assert ([now - 50_000, now - 40_000], True) == (
        [row["start_ms"] for row in body["windows"]],
        body["truncated"],
    )


ODD = [
    {},
    {"b": "x", "aa": "y"},
    {"b": "x", "é": "\u2028"},
    {"b": 'q"\\'},
    {"host": "x" * 250},
    {"host": "x" * 251},
]
"""Labels that order and encode differently, two of them alike for more than a cursor holds."""


async def pages(gateway: Gateway, **params: Any) -> tuple[list[dict[str, Any]], str]:
    """The rows of all pages, by the links of the answers, and the first cursor."""
    answer, found, first = await ask(gateway, **params), list[dict[str, Any]](), ""
    while True:
        body = answer.json()
        assert body["truncated"] is (body["next"] is not None) is ("link" in answer.headers)
        found += body["windows"]
        first = first or body["next"]
        if not body["next"]:
            return found, first
        async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20) as client:
            address = answer.headers["link"].partition(">")[0].removeprefix("<")
            answer = await client.get(address, headers={"x-api-key": "read"})


async def test_pages_hold_every_row_once_in_one_order(stack: Stack, gateway: Gateway) -> None:
    """Closed rows and live ones, whatever their labels are; a cursor is for its question alone."""
    mine, now, metric = await tenant(stack), start_of(now_ms()), "paged"
    for labels in ODD:
        owner = Series(mine, metric, "gauge", "", tuple(sorted(labels.items())))
        for back in (30_000, 20_000):
            await close_window(stack, owner, orjson.dumps(labels).decode(), now - back)
    owner = Series(mine, metric, "gauge", "", (("host", "live"),))
    await show_live(gateway, owner, now - 20_000)

    whole = (await ask(gateway, metric=metric, label=[])).json()["windows"]
    found, cursor = await pages(gateway, metric=metric, limit=2)
    others = [
        await ask(gateway, metric=metric, limit=2, cursor=cursor, resolution="1m"),
        await ask(gateway, metric="many", limit=2, cursor=cursor),
        await ask(gateway, metric=metric, limit=2, cursor=cursor[:-4] + "AAAA"),
    ]

    assert whole == found
    assert 2 * len(ODD) + 1 == len({(row["start_ms"], str(row["labels"])) for row in found})
    assert [(400, "cursor_mismatch")] * 3 == [(one.status_code, one.json()["code"]) for one in others]


@pytest.mark.parametrize("path", ["/v1/windows?metric=nobody", "/v1/events?type=nobody"])
async def test_an_empty_answer_says_that_rows_may_have_gone(gateway: Gateway, path: str) -> None:
    """Of what the tables no longer hold; the last minute is in them."""
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20) as client:
        asked = [
            (await client.get(f"{path}&from={since}&to={until}", headers={"x-api-key": "read"})).json()
            for since, until in (("now-60d", "now-50d"), ("now-1m", "now"))
        ]

    assert [1, 0] == [len(one["warnings"]) for one in asked]
    assert now_ms() - 60 * 86_400_000 < asked[0]["kept_since_ms"] <= now_ms()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "invalid_metric"),
        ({"metric": "a\x00"}, "invalid_metric"),
        ({"metric": "a", "from": "100", "to": "100"}, "invalid_range"),
        ({"metric": "a", "from": "0", "to": str(32 * 86_400_000)}, "invalid_range"),
        ({"metric": "a", "from": "yesterday"}, "invalid_time"),
        ({"metric": "a", "from": "2025-10-09T08:53:20"}, "invalid_time"),
        ({"metric": "a", "to": "9" * 15}, "invalid_time"),
        ({"metric": "a", "limit": "0"}, "invalid_limit"),
        ({"metric": "a", "resolution": "5m"}, "invalid_resolution"),
        ({"metric": "a", "limit": "1e3"}, "invalid_limit"),
        ({"metric": "a", "limit": "10001"}, "invalid_limit"),
        ({"metric": "a", "quantile": "nan"}, "invalid_quantile"),
        ({"metric": "a", "quantile": "1.01"}, "invalid_quantile"),
        ({"metric": "a", "label": "host"}, "invalid_label"),
    ],
)
async def test_a_wrong_parameter_is_named(gateway: Gateway, params: dict[str, str], code: str) -> None:
    """400 with a stable code."""
    answer = await ask(gateway, **params)

    assert (400, code) == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "a" * 3000])
async def test_text_is_never_more_than_text(gateway: Gateway, text: str) -> None:
    """What looks like SQL or a pattern is looked for literally."""
    answer = await ask(gateway, metric=text, label=f"host={text}")

    assert (200, []) == (answer.status_code, answer.json()["windows"])


@pytest.mark.parametrize(("key", "status"), [("write", 403), ("wrong", 401), ("admin", 200)])
async def test_only_who_may_read_reads(gateway: Gateway, key: str, status: int) -> None:
    """Read and admin keys may ask."""
    assert status == (await ask(gateway, key, metric="a")).status_code


@pytest.mark.parametrize("path", ["/nothing", "/v1//telemetry", "/health/live", "/health/ready"])
async def test_other_paths_are_unknown_to_both_roles(gateway: Gateway, path: str) -> None:
    """Health and metrics have a port of their own."""
    assert [404, 404] == [await status(url + path) for url in (gateway.url, gateway.query_url)]


async def test_documentation_needs_no_foreign_host(gateway: Gateway) -> None:
    """The page and all that it loads come from the gateway itself, and it says which key is needed."""
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20) as client:
        page = (await client.get("/docs")).text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
        answers = [await client.get(address) for address in loaded]
        contract = (await client.get("/openapi.json")).json()

    assert "://" not in page
    assert [200] * len(loaded) == [answer.status_code for answer in answers]
    assert contract["paths"]["/v1/windows"]["get"]["security"] == [{"HTTPBearer": ["read"]}]
