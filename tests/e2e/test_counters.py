"""Running totals from a request to the tables: what they have grown by, in any order, whoever is killed in between."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.model.window import BASE_MS, start_of
from shared.runtime.clock import now_ms
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

SERIES, INSTANTS, BEGUN_ANEW = 6, 20, 10
BUCKETS = 2
ROWS = SERIES + BUCKETS
"""Of each body."""

AGE_MS = 8 * 60_000
"""Of the first total: its windows have closed, and it is not too late for long."""

STALE_MS = 20 * 60_000

ROLLUPS = """
SELECT metric, extract(epoch FROM window_start)::bigint * 1000 AS start_ms, count, sum, last, extremes_estimated
FROM {table} JOIN series USING (series_id) WHERE tenant_id = $1
"""

SUMS = """
SELECT labels ->> 'name', sum(sum) FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = 'script' GROUP BY 1
"""

Figures = tuple[int, float, float, float | None, bool]
"""Start, count, sum, last and whether min and max are bounds."""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


async def test_totals_in_any_order_add_what_they_have_grown_by(system: System) -> None:
    """Shuffled, repeated and with the worker killed in between, and a stale one is accounted for."""
    first_ms = start_of(now_ms() - AGE_MS, BASE_MS)
    bodies = [body(first_ms, instant) for instant in range(INSTANTS)] * 2
    random.SystemRandom().shuffle(bodies)

    await post(system, *bodies[:15])
    await until(lambda: came(system, 15), "the first ones are read", 60)
    await system.kill("aggregator")
    await post(system, *bodies[15:30])
    await system.kill("aggregator")
    await post(system, *bodies[30:], {"points": [total(first_ms - STALE_MS, 0, 1, None)]})
    await until(lambda: came(system, len(bodies), 1), "all are read", 60)

    account = (await system.get("/v1/ledger"))["total"]
    assert (INSTANTS * ROWS, 1, 0) == (account["counted"], account["stale_total"], account["difference"])
    assert sorted(expected(first_ms, "requests") * SERIES) == await rows(system, "rollup_10s", "requests")
    assert expected(first_ms, "took") == await rows(system, "rollup_10s", "took")
    for metric in ("requests", "took"):
        assert await sums(system, "rollup_10s", metric) == await sums(system, "rollup_1m", metric)


async def test_totals_add_what_their_writers_have_counted(system: System) -> None:
    """A short job, a start that wavers, one at its own time; and two writers of one series, which the ledger names."""
    first_ms = start_of(now_ms() - AGE_MS, BASE_MS)
    long_ago_ms = first_ms - 3_600_000
    instants = [first_ms + at * BASE_MS for at in range(6)]
    scripts = {
        "job": [(first_ms, 57.0, first_ms - 20_000)],
        "wavers": [(ts, 1e6 + 10 * at, long_ago_ms + at // 2 * 1_000) for at, ts in enumerate(instants)],
        "own time": [(ts, 1e3 + 10 * at, ts) for at, ts in enumerate(instants)],
        "two": [(ts, [800.0, 501.0][at % 2] + at // 2 * 2, None) for at, ts in enumerate(instants)],
    }
    bodies = [
        {"points": [point(script, *row) for script, rows in scripts.items() for row in rows[at : at + 1]]}
        for at in range(len(instants))
    ]
    sent = sum(map(len, scripts.values()))

    await post(system, *bodies)
    await until(lambda: settled(system, sent), "all are read", 60)

    account = (await system.get("/v1/ledger"))["total"]
    found = await system.sql(SUMS, system.tenant_id)
    assert (sent - 3, 3, 0) == (account["counted"], account["contested_total"], account["difference"])
    assert {"job": 57.0, "wavers": 50.0, "own time": 0.0, "two": 0.0} == dict(map(tuple, found))


async def test_windows_of_totals_are_served(system: System) -> None:
    """As those of any kind: sums of increments, and the total as last value."""
    first_ms = start_of(now_ms() - AGE_MS, BASE_MS)
    await post(system, *(body(first_ms, instant) for instant in range(3)))
    await until(lambda: came(system, 3), "all are read", 60)

    (kind, *served) = await windows(system, "requests", first_ms)

    assert ("cumulative", [(1, 100.0, 100.0), (1, 5.0, 105.0), (1, 5.0, 110.0)]) == (kind, served)


def point(script: str, ts_ms: int, value: float, start_ms: int | None) -> dict[str, Any]:
    """The running total of one script."""
    return total(ts_ms, 0, value, start_ms) | {"name": "script", "labels": {"name": script}}


async def settled(system: System, rows: int) -> bool:
    """Whether so many rows have been read, and what they add is in the tables."""
    account = (await system.get("/v1/ledger"))["total"]
    return rows == account["counted"] + account["contested_total"]


def total(ts_ms: int, number: int, value: float, start_ms: int | None) -> dict[str, Any]:
    """The running total of one series."""
    point = {
        "name": "requests",
        "kind": "cumulative",
        "value": value,
        "ts": ts_ms,
        "labels": {"n": str(number)},
    }
    return point if start_ms is None else point | {"start_ts": start_ms}


def body(first_ms: int, instant: int) -> dict[str, Any]:
    """Totals that grow by 5; from some instant on others, by 3. Of the buckets one grows by 2, and is reset then."""
    ts_ms = first_ms + instant * BASE_MS
    since = instant - BEGUN_ANEW + 1
    anew_ms = first_ms + BEGUN_ANEW * BASE_MS - 1_000
    value, start_ms = (100 + 5 * instant, first_ms - 1_000) if since < 1 else (3 * since, anew_ms)
    histogram = {"bounds": [1], "counts": [2 * (instant if since < 1 else since), 7]}
    took = {"name": "took", "kind": "cumulative", "ts": ts_ms, "histogram": histogram}
    return {"points": [*(total(ts_ms, number, value, start_ms) for number in range(SERIES)), took]}


def expected(first_ms: int, metric: str) -> list[Figures]:
    """The rows of one series; its first start is a second before its first total, so that one counts in full."""
    grown = [100.0] + [5.0] * (BEGUN_ANEW - 1) + [3.0] * (INSTANTS - BEGUN_ANEW)
    found: list[Figures] = []
    for instant in range(INSTANTS):
        start_ms = first_ms + instant * BASE_MS
        if metric == "took":
            count = 2.0 if instant else 0.0
            found.append((start_ms, count, count / 2, None, True))
        else:
            last = float(body(first_ms, instant)["points"][0]["value"])
            found.append((start_ms, 1.0, grown[instant], last, True))
    return found


async def post(system: System, *bodies: dict[str, Any]) -> None:
    """Post one after the other; all are taken."""
    async with httpx2.AsyncClient(base_url=system.url, timeout=20) as client:
        for each in bodies:
            answer = await client.post("/v1/telemetry", json=each, headers={"x-api-key": system.key})
            assert (202, []) == (answer.status_code, answer.json()["rejected"])


async def came(system: System, bodies: int, stale: int = 0) -> bool:
    """Whether so many bodies, and totals that come too late, have been read."""
    account = (await system.get("/v1/ledger"))["total"]
    found = account["counted"] + account["duplicate"], account["stale_total"]
    return found == (bodies * ROWS, stale)


async def rows(system: System, table: str, metric: str) -> list[Figures]:
    """The rows of a metric, sorted."""
    found = await system.sql(ROLLUPS.format(table=table), system.tenant_id)
    return sorted(tuple(row)[1:] for row in found if row["metric"] == metric)


async def sums(system: System, table: str, metric: str) -> tuple[float, float]:
    """Count and sum of all rows of a metric."""
    found = await rows(system, table, metric)
    return sum(row[1] for row in found), sum(row[2] for row in found)


async def windows(system: System, metric: str, start_ms: int) -> list[Any]:
    """The kind of a metric, then count, sum and last of the windows of one of its series."""
    answer = await system.get("/v1/windows", metric=metric, **{"from": str(start_ms)})
    mine = [window for window in answer["windows"] if window["labels"] == {"n": "0"}]
    return [mine[0]["kind"], *((window["count"], window["sum"], window["last"]) for window in mine)]
