"""refusals: how long it takes until bad input is refused by name, the 99th percentile of the slowest kind.

Milliseconds from request to answer, one client that asks one after the other. Rows of 80,000 series are in the tables,
so that a question by all of them is one that costs too much.
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import asyncpg

from bench import feed, stand
from bench.figure import Invalid, Line, percentile, say
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s, now_ms
from shared.wire.topics import METRICS

ASKED = 200
"""Requests of each kind."""

GOAL_MS = 10.0
METRIC, USERS, WINDOWS = "api.response_seconds", 80_000, 16
QUARTER_MS, DAY_MS = 900_000, 86_400_000

EXPLODES = "(a{1,1000}){1,1000}"
"""A pattern that a compiler unrolls a million times."""

_SERIES = """
INSERT INTO series SELECT n, $1, 'api.response_seconds', 'delta', 's', jsonb_build_object('user_id', 'u' || n)
FROM generate_series(1, $2::int) AS n
"""
_ROWS = """
INSERT INTO rollup_15m (window_start, series_id, revision, late_count, count, samples, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight, extremes_estimated)
SELECT start, n, 0, 0, 1, 1, 1, 1, 1, 1, start, start, '{12000}', '{1}', false
FROM generate_series(1, $1::int) AS n,
    generate_series(to_timestamp($2::bigint), to_timestamp($3::bigint - 1), interval '15 minutes') AS start
"""
_STANDS = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen)
VALUES ($1, 0, 1, 'bench', 0, $2, '')
"""


@dataclass(frozen=True, slots=True)
class Bad:
    """Something that is to be refused."""

    code: str
    """The code of the refusal."""
    path: str
    body: bytes | None = None
    """Of a POST; None: it is a GET."""


def question(code: str, **fields: Any) -> Bad:
    """A bad question."""
    asked = {"questions": [{"metric": METRIC} | fields]}
    return Bad(code, "/v1/query", json.dumps(asked).encode())


def promql(code: str, query: str) -> Bad:
    """A bad query."""
    return Bad(code, "/prometheus/api/v1/query?" + urlencode({"query": query}))


def paged(parameters: dict[str, Any]) -> Bad:
    """Windows with a cursor of another question."""
    return Bad("cursor_mismatch", "/v1/windows?" + urlencode(parameters))


def catalogue(end_ms: int, cursor: str) -> dict[str, Bad]:
    """What is refused, by what is wrong with it."""
    day = {"from": end_ms - 4 * 3_600_000, "to": end_ms}
    windows = {"metric": METRIC, "resolution": "15m", "limit": 1, "cursor": cursor} | day
    return {
        "unknown metric": question("unknown_metric", metric="api.respons_seconds"),
        "unknown label": question("unknown_label", by=["user"]),
        "unknown zone": question("unknown_zone", tz="Europe/Bern"),
        "unknown aggregate": question("unknown_aggregate", aggregates=["median"]),
        "step below 10 s": question("invalid_resolution", resolution="5s"),
        "400 years": question("invalid_range", **{"from": 0, "to": end_ms}),
        "10^6 windows": question("too_many_windows", resolution="10s", **{"from": end_ms - 120 * DAY_MS}),
        "by 80,000 values": question("too_expensive", by=["user_id"], resolution="15m", **day),
        "cursor of another filter": paged(windows | {"label": "a=b"}),
        "cursor that was changed": paged(windows | {"cursor": cursor[::-1]}),
        "PromQL beyond the subset": promql("execution", "predict_linear(api_response_seconds[5m], 60)"),
        "a regular expression that explodes": promql("bad_data", f'{{user_id=~"{EXPLODES}"}}'),
        "8 kB of query string": Bad("target_too_long", "/v1/query?q=" + "a" * 8_300),
    }  # fmt: skip


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line."""
    async with stand.room(stack, folder) as room:
        end_ms = now_ms() // QUARTER_MS * QUARTER_MS
        await _fill(room, end_ms)
        with ExitStack() as running:
            _, port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            async with feed.client(port, room.key) as session:
                cursor = await _cursor(session, end_ms)
                took = {
                    name: [await _refused(session, bad) for _ in range(ASKED)]
                    for name, bad in catalogue(end_ms, cursor).items()
                }
    p50_ms, p99_ms = (
        {name: round(percentile(each, share), 2) for name, each in took.items()} for share in (0.5, 0.99)
    )
    for name, each in p99_ms.items():
        say(f"  {name}: {each} ms, median {p50_ms[name]}")
    value = max(p99_ms.values())
    conditions = {
        "naive_means": "there is no peer", "p99_ms": p99_ms, "p50_ms": p50_ms, "asked": ASKED, "series": USERS,
        "rows": USERS * WINDOWS,
    }  # fmt: skip
    return [
        Line("refusals", value, "ms", None, None, f"value <= {GOAL_MS:g}", value <= GOAL_MS, None, conditions)
    ]


async def _fill(room: stand.Room, end_ms: int) -> None:
    """Four hours of rows, closed."""
    connection = await asyncpg.connect(room.postgres)
    try:
        await connection.execute(_SERIES, room.tenant_id, USERS)
        begin_s, end_s = (end_ms - WINDOWS * QUARTER_MS) // 1000, end_ms // 1000
        await connection.execute(_ROWS, USERS, begin_s, end_s, timeout=600)
        await connection.execute(_STANDS, room.prefix + METRICS.name, end_ms)
        await connection.execute("ANALYZE", timeout=600)
    finally:
        await connection.close()


async def _cursor(session: aiohttp.ClientSession, end_ms: int) -> str:
    params = {
        "metric": METRIC,
        "resolution": "15m",
        "limit": "1",
        "from": str(end_ms - QUARTER_MS),
        "to": str(end_ms),
    }
    async with session.get("/v1/windows", params=params) as answer:
        return str((await answer.json())["next"])


async def _refused(session: aiohttp.ClientSession, bad: Bad) -> float:
    """Milliseconds to the refusal."""
    begin_s = monotonic_s()
    asking = session.get(bad.path) if bad.body is None else session.post(bad.path, data=bad.body)
    async with asking as answer:
        text = await answer.text()
    took_ms = (monotonic_s() - begin_s) * 1000
    if answer.status < 400 or bad.code not in text:
        raise Invalid(f"{bad.path[:80]}: {answer.status} {text[:300]}, and not {bad.code}")
    return took_ms
