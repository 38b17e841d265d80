"""`GET /v1/windows` over real tables and a real cache."""

import re
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import numpy as np
import pytest
from redis.asyncio import Redis

from deploy.local.stack import Stack
from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.window import start_of
from shared.runtime.clock import now_ms
from shared.wire import rollups, series
from shared.wire.stored import live
from shared.wire.topics import METRICS
from tests.support.http.gateway import Gateway, status

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


async def show_live(stack: Stack, gateway: Gateway, owner: Series, start_ms: int) -> None:
    """Write a live window as the aggregator does."""
    one = np.array([1.0])
    rolled = Rollups(
        slot=np.array([0]), start_ms=np.array([start_ms]), count=one, samples=one, sum=one * 9, min=one, max=one,
        last=one, last_ms=np.array([start_ms]), revision=np.array([0]), late_count=np.array([0]),
        watermark_ms=np.array([start_ms]), sketch_at=np.array([0, 1]), bucket=np.array([12000], np.int16), weight=one,
        estimated=one < 0, distinct_at=np.zeros(2, np.int64),
        register=np.zeros(0, np.uint16), rank=np.zeros(0, np.uint8),
    )  # fmt: skip
    content = rollups.WindowBatch(0, False, 1, start_ms, [series.pack(owner)], rolled)
    client = Redis.from_url(stack.redis)
    try:
        prefix = gateway.topic.removesuffix(METRICS.name)
        await client.set(live.key(prefix, 0, start_ms), live.encode(content), ex=live.TTL_S)
    finally:
        await client.aclose()


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
    await show_live(stack, gateway, owner, now - 20_000)
    await show_live(stack, gateway, owner, now - 10_000)

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


async def test_a_live_window_of_an_unknown_version_is_no_answer(stack: Stack, gateway: Gateway) -> None:
    """503 with the version: to leave it out would show less than there is, as if it were all."""
    prefix, now = gateway.topic.removesuffix(METRICS.name), start_of(now_ms())
    client = Redis.from_url(stack.redis)
    try:
        await client.set(
            live.key(prefix, 0, now), bytes(8) + bytes([99]) + b"of a later build", ex=live.TTL_S
        )
        refused = await ask(gateway, metric="unknown")
        await client.delete(live.key(prefix, 0, now))
    finally:
        await client.aclose()
    taken = await ask(gateway, metric="unknown")

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
    await show_live(stack, gateway, owner, now - 10_000)

    rows = (await ask(gateway, metric="samples", quantile=["0", "1"])).json()["windows"]

    assert [(None, True), (3, False), (None, True)] == [(row["samples"], row["kept_up"]) for row in rows]
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


@pytest.mark.parametrize("path", ["/nothing", "/v1//telemetry", "/health/live", "/health/ready", "/metrics"])
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
