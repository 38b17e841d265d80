"""`GET /api/analytics/dashboard/performance` over real tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.model.window import start_of
from shared.runtime.clock import now_ms
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

PATH = "/api/analytics/dashboard/performance"

_SERIES = """
INSERT INTO series VALUES (hashtextextended($2::text || $3::text || $1::bigint, 0), $1, $2, 'delta', 's', '{}')
ON CONFLICT DO NOTHING
"""
_ROLLUP = """
INSERT INTO rollup_10s
VALUES ($4, hashtextextended($2::text || $3::text || $1::bigint, 0), 0, 0, $5, $6, $7, $8, NULL, NULL, $4, $9, $10)
"""
_MANY = """
WITH made AS (
    INSERT INTO series
    SELECT hashtextextended('many' || n || '/' || $1::bigint, 0), $1, 'm' || to_char(n, 'FM000'), 'gauge', '', '{}'
    FROM generate_series(1, 501) AS n RETURNING series_id
)
INSERT INTO rollup_10s SELECT $2, series_id, 0, 0, 1, 1, 1, 1, NULL, NULL, $2, '{12000}', '{1}' FROM made
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
    """Write a closed window of a series as the aggregator does."""
    sketch = row.get("sketch", {12_000: 1.0})
    await owner.write(_SERIES, (owner.tenant_id, metric, host))
    await owner.write(_ROLLUP, (
        owner.tenant_id, metric, host, at(start_ms), row.get("count", 1.0), row.get("sum", 1.0), row.get("min", 1.0),
        row.get("max", 1.0), list(sketch), list(sketch.values()),
    ))  # fmt: skip


async def test_a_metric_is_merged_over_its_series_and_windows(mine: Reader, foreign: Reader) -> None:
    """Counts, sums and sketches add up; only whole windows of the last quarter of an hour, only of the tenant."""
    start = start_of(now_ms()) - 60_000
    # Bucket 12,000 holds 1; bucket 12,035 holds 2, within one per cent.
    await close(mine, "paint", "a", start, count=60.0, sum=60.0, max=1.0, sketch={12_000: 60.0})
    await close(mine, "paint", "b", start, count=30.0, sum=60.0, min=2.0, max=2.0, sketch={12_035: 30.0})
    await close(
        mine, "paint", "a", start + 10_000, count=10.0, sum=15.0, max=2.5, sketch={12_000: 5.0, 12_035: 5.0}
    )
    await close(mine, "paint", "a", start - 15 * 60_000, count=1000.0)
    await close(mine, "paint", "a", start + 600_000, count=1000.0)
    await close(foreign, "paint", "a", start, count=1000.0)

    body = (await mine.ask(PATH)).json()
    shown = body["metrics"][0]

    assert (1, False, start + 20_000) == (len(body["metrics"]), body["truncated"], body["complete_to_ms"])
    assert 15 * 60_000 == body["to_ms"] - body["from_ms"]
    assert ("paint", "s", "delta", 100.0, 1.35, 1.0, 2.5) == tuple(
        shown[name] for name in ("metric", "unit", "kind", "count", "average", "min", "max")
    )
    assert [pytest.approx(value, rel=0.02) for value in (1.0, 2.0, 2.0)] == [
        shown[name] for name in ("p50", "p95", "p99")
    ]


async def test_what_was_taken_back_leaves_no_average(mine: Reader) -> None:
    """A count of zero or less, and a sketch without weight, are null and not an error."""
    start = start_of(now_ms()) - 60_000
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
    await mine.write(_MANY, (mine.tenant_id, at(start_of(now_ms()) - 60_000)))

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
