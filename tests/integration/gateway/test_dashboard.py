"""`GET /api/analytics/dashboard/performance` over real tables."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from shared.model.window import TIERS_MS, start_of
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

PATH = "/api/analytics/dashboard/performance"

TABLES = dict(zip(("rollup_10s", "rollup_1m", "rollup_15m"), TIERS_MS, strict=True))
"""A dashboard that begins and ends with a minute, or a quarter of an hour, is made of coarser rows."""

_SERIES = """
INSERT INTO series VALUES (hashtextextended($2::text || $3::text || $1::bigint, 0), $1, $2, 'delta', 's', '{}')
ON CONFLICT DO NOTHING
"""
_ROLLUP = """
INSERT INTO {table}
VALUES ($4, hashtextextended($2::text || $3::text || $1::bigint, 0), 0, 0, $5, $6, $7, $8, NULL, NULL, $4, $9, $10)
"""
_MANY = """
WITH made AS (
    INSERT INTO series
    SELECT hashtextextended('many' || n || '/' || $1::bigint, 0), $1, 'm' || to_char(n, 'FM000'), 'gauge', '', '{{}}'
    FROM generate_series(1, 501) AS n ON CONFLICT DO NOTHING
)
INSERT INTO {table} SELECT $2, hashtextextended('many' || n || '/' || $1::bigint, 0), 0, 0, 1, 1, 1, 1, NULL, NULL, $2,
    '{{12000}}', '{{1}}' FROM generate_series(1, 501) AS n
"""
_FIRING = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms, fired_at_ms,
    last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
VALUES ($2, $1, '', 0, $1, $2, 1, 1, 2, 1, 1, 9, 'e', $2, '{"host": "a"}', '{"secret": "long"}')
"""


def at(ms: int) -> datetime:
    """The instant as Postgres takes it."""
    return datetime.fromtimestamp(ms / 1000, UTC)


async def close(owner: Reader, metric: str, host: str, start_ms: int, **row: Any) -> None:
    """Write a closed window of a series in all its resolutions as the aggregator does."""
    sketch = row.get("sketch", {12_000: 1.0})
    await owner.write(_SERIES, (owner.tenant_id, metric, host))
    for table, tier_ms in TABLES.items():
        await owner.write(_ROLLUP.format(table=table), (
            owner.tenant_id, metric, host, at(start_ms - start_ms % tier_ms), row.get("count", 1.0),
            row.get("sum", 1.0), row.get("min", 1.0), row.get("max", 1.0), list(sketch), list(sketch.values()),
        ))  # fmt: skip


@pytest_asyncio.fixture(autouse=True)
async def closed(gateway: Gateway, pool: connections.Pool) -> None:
    """All points have come up to now, so that the tables have every window that has ended.

    In all partitions: one that another test has left behind would hold back what is complete.
    """
    async with connections.connection(pool) as conn:
        rows = await conn.fetch("SELECT partition FROM partition_state WHERE topic = $1", gateway.topic)
    for partition in {0, *(row["partition"] for row in rows)}:
        await FoldedPartition(pool, gateway.topic, partition).fold_in_time([], now_ms())


async def same(mine: Reader, body: dict[str, Any], metric: str) -> dict[str, float]:
    """What a question says of the range of a dashboard."""
    question = {
        "metric": metric, "from": body["from_ms"], "to": body["to_ms"], "resolution": "10s",
        "aggregates": ["count", "sum"],
    }  # fmt: skip
    async with httpx2.AsyncClient(base_url=mine.url, timeout=20, headers={"x-api-key": mine.key}) as client:
        answer = await client.post("/v1/query", json={"questions": [question]})
    (series,) = answer.json()["results"][0]["series"]
    return {name: sum(filter(None, values)) for name, values in series["values"].items()}


async def test_a_metric_is_merged_over_its_series_and_windows(mine: Reader, foreign: Reader) -> None:
    """Counts, sums and sketches add up, as a question has them; only of the last quarter of an hour and the tenant."""
    start = start_of(now_ms(), TIERS_MS[1]) - 120_000
    # Bucket 12,000 holds 1; bucket 12,035 holds 2, within one per cent.
    await close(mine, "paint", "a", start, count=60.0, sum=60.0, max=1.0, sketch={12_000: 60.0})
    await close(mine, "paint", "b", start, count=30.0, sum=60.0, min=2.0, max=2.0, sketch={12_035: 30.0})
    await close(
        mine, "paint", "c", start + 60_000, count=10.0, sum=15.0, max=2.5, sketch={12_000: 5.0, 12_035: 5.0}
    )
    await close(mine, "paint", "d", start - 15 * 60_000, count=1000.0)
    await close(mine, "paint", "d", start + 600_000, count=1000.0)
    await close(foreign, "paint", "a", start, count=1000.0)

    body = (await mine.ask(PATH)).json()
    shown = body["metrics"][0]

    assert (1, False, "available") == (len(body["metrics"]), body["truncated"], body["live"])
    assert start + 70_000 <= body["complete_to_ms"] <= body["to_ms"]
    assert {"count": shown["count"], "sum": 135.0} == await same(mine, body, "paint")
    assert 15 * 60_000 == body["to_ms"] - body["from_ms"]
    assert ("paint", "s", "delta", 100.0, 1.35, 1.0, 2.5) == tuple(
        shown[name] for name in ("metric", "unit", "kind", "count", "average", "min", "max")
    )
    assert [pytest.approx(value, rel=0.02) for value in (1.0, 2.0, 2.0)] == [
        shown[name] for name in ("p50", "p95", "p99")
    ]


async def test_what_was_taken_back_leaves_no_average(mine: Reader) -> None:
    """A count of zero or less, and a sketch without weight, are null and not an error."""
    start = start_of(now_ms(), TIERS_MS[1]) - 120_000
    nothing = {"count": 0.0, "sum": 0.0, "min": None, "max": None}
    await close(mine, "empty", "a", start, **nothing, sketch={})
    await close(
        mine, "level", "a", start, count=2.0, sum=0.0, min=-1.0, max=1.0, sketch={-12_000: 2.0, 12_000: 2.0}
    )
    await close(mine, "level", "b", start, count=-3.0, sum=-3.0, min=None, max=None, sketch={12_000: -3.0})
    await close(mine, "low", "a", start, count=2.0, sum=-8.0, min=-4.0, max=-4.0, sketch={-12_070: 2.0})

    shown = (await mine.ask(PATH)).json()["metrics"]

    assert [("empty", 0.0, None, None), ("level", -1.0, None, 1.0), ("low", 2.0, -4.0, -4.0)] == [
        (one["metric"], one["count"], one["average"], one["max"]) for one in shown
    ]
    assert [None, pytest.approx(-1.0, rel=0.02), pytest.approx(-4.0, rel=0.02)] == [
        one["p50"] for one in shown
    ]


async def test_a_tenant_without_windows_has_an_empty_dashboard(mine: Reader) -> None:
    """It is complete to nowhere."""
    body = (await mine.ask(PATH)).json()

    assert ([], [], None, False) == (
        body["metrics"],
        body["alerts"],
        body["complete_to_ms"],
        body["truncated"],
    )


async def test_more_metrics_than_a_dashboard_holds_are_said_to_be_left_out(mine: Reader) -> None:
    """The first five hundred by name are given, each whole."""
    for table, tier_ms in TABLES.items():
        await mine.write(
            _MANY.format(table=table), (mine.tenant_id, at(start_of(now_ms() - 120_000, tier_ms)))
        )

    body = (await mine.ask(PATH)).json()

    assert (500, "m001", "m500", True) == (
        len(body["metrics"]),
        body["metrics"][0]["metric"],
        body["metrics"][-1]["metric"],
        body["truncated"],
    )
    assert {(1.0, 1.0)} == {(one["count"], one["average"]) for one in body["metrics"]}


async def test_a_dashboard_shows_what_fires_in_short(mine: Reader, foreign: Reader) -> None:
    """Not what waits, and not of another tenant."""
    await mine.write(_FIRING, (mine.tenant_id, "firing"), (mine.tenant_id, "pending"))
    await foreign.write(_FIRING, (foreign.tenant_id, "firing"))

    body = (await mine.ask(PATH)).json()

    assert body["alerts"] == [
        {
            "rule": "firing", "state": "firing", "fingerprint": "firing", "labels": {"host": "a"}, "value": 9.0,
            "fired_at_ms": 2,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("key", "status"), [("write", 403), ("wrong", 401), ("admin", 200)])
async def test_only_who_may_read_sees_a_dashboard(mine: Reader, key: str, status: int) -> None:
    """Read and admin keys may ask."""
    assert status == (await mine.ask(PATH, key)).status_code
