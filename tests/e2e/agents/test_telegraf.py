"""Telegraf as it is shipped, by line protocol and by remote write: what it believes delivered is counted once.

Kafka is away for ten seconds meanwhile, and the gateway is killed and started again. Telegraf repeats what was refused
together with what has come since, so that its bodies are never the same.
"""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.e2e.agents import programs, tables
from tests.e2e.agents.faults import go_wrong
from tests.e2e.agents.telegraf import (
    AUTHORIZATION,
    INFLUXDB_1,
    INFLUXDB_2,
    LINES,
    OF_REMOTE_WRITE,
    REMOTE_WRITE,
    telegraf,
)
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not programs.BUILT, reason="make clients"),
]

FIELDS = 6
"""Of a scrape: a counter, a level, and four of a histogram."""

METRICS = ("orders_total", "queue_length_gauge", "basket_seconds_sum", "basket_seconds_count")
"""Metrics with one point a scrape."""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


@pytest.mark.parametrize(
    ("output", "headers"),
    [
        pytest.param(INFLUXDB_2, "", id="influxdb_v2"),
        pytest.param(INFLUXDB_1, "", id="influxdb"),
        pytest.param(LINES, AUTHORIZATION, id="lines"),
    ],
)
async def test_lines_that_telegraf_believes_delivered_are_counted_once(
    system: System, tmp_path: Path, output: str, headers: str
) -> None:
    """Each field of each scrape is one point of a level."""
    of = {"url": system.url, "key": system.key}
    async with telegraf(tmp_path, output.format(**of), headers.format(**of), 1) as sender:
        await until(lambda: has(system, "orders_total", 2), "the first points are in the tables", 60)
        await go_wrong(system)
        sender.target.gone = True
        scraped = sender.target.count
        await tables.settled(sender.has_written_all, "all metrics are written")
        for metric in METRICS:
            await tables.settled(
                partial(has, system, metric, scraped), f"{scraped} points of {metric} are there"
            )

        assert 3 * scraped == sender.written("metrics_written")
        assert 0 == sender.written("metrics_dropped")
    counts = await tables.counts(system)
    assert dict.fromkeys(METRICS, scraped) == {metric: counts[metric] for metric in METRICS}
    assert FIELDS * scraped == (await tables.outcomes(system))["counted"]


async def test_totals_that_telegraf_writes_by_remote_write_grow_once(system: System, tmp_path: Path) -> None:
    """Of each batch it sends the last sample of a series alone, so that levels may be fewer than it believes."""
    of = {"url": system.url, "key": system.key}
    headers = AUTHORIZATION.format(**of) + OF_REMOTE_WRITE
    async with telegraf(tmp_path, REMOTE_WRITE.format(**of), headers, 2) as sender:
        await until(lambda: has_grown(system, 1), "the first samples are in the tables", 60)
        await go_wrong(system)
        sender.target.gone = True
        scraped = sender.target.count
        await tables.settled(sender.has_written_all, "all metrics are written")
        await tables.settled(lambda: has_grown(system, scraped - 1), f"{scraped} is the total")

        assert 0 == sender.written("metrics_dropped")
    assert (await tables.counts(system))["queue_length"] <= scraped


async def has(system: System, metric: str, points: int) -> bool:
    """Whether a level has so many points."""
    return (await tables.counts(system)).get(metric, 0) >= points


async def has_grown(system: System, wanted: float) -> bool:
    """Whether the total has grown by as much."""
    return await tables.grown(system, "orders_total") >= wanted
