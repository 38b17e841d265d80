"""Prometheus, Debian's and the newest, by both versions of remote write: what it believes delivered is counted once.

Kafka is away for ten seconds meanwhile, and the gateway is killed and started again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.e2e.agents import programs, tables
from tests.e2e.agents.agent import Agent, measured
from tests.e2e.agents.faults import go_wrong
from tests.e2e.agents.target import Target, target
from tests.support import promtool
from tests.support.http.gateway import free_port
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

CONFIG = """
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
scrape_configs:
  - job_name: shop
    static_configs: [targets: [{targets}]]
remote_write:
  - url: {url}/api/v1/write
    authorization:
      credentials: {key}
{more}
"""

SECOND = "    protobuf_message: io.prometheus.write.v2.Request"
"""What makes it write by version 2.0."""

STORED = '{__name__=~".+"}[1h]'
"""Which samples it has itself, those aside that only say that a series is stale."""

BOUND = """
WITH bucket AS (
  SELECT (labels ->> 'le')::float8 AS bound, sum(sum) AS count FROM rollup_10s JOIN series USING (series_id)
  WHERE metric = 'basket_seconds_bucket' AND tenant_id = $1 GROUP BY 1
)
SELECT min(bound) FROM bucket WHERE count >= 0.95 * (SELECT max(count) FROM bucket)
"""
"""As docs/clients/prometheus.md has it."""

SERIES = "SELECT metric, kind, unit, labels ->> 'le' AS le FROM series WHERE tenant_id = $1"

KNOWN = {
    ("orders_total", "cumulative", "", None),
    ("basket_seconds_bucket", "cumulative", "", "1.0"),
    ("basket_seconds_bucket", "cumulative", "", "+Inf"),
    ("basket_seconds_sum", "cumulative", "s", None),
    ("queue_length", "gauge", "", None),
}
"""What the samples of the target have become; those of NaN nothing."""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


@dataclass
class Prometheus:
    """A running Prometheus, and what it scrapes."""

    agent: Agent
    target: Target
    config: Path

    async def stop_scraping(self, system: System, more: str) -> None:
        """Take the target away; of each of its series it sends a last sample, which says that it is stale."""
        self.config.write_text(config(system, "", more))
        self.agent.reload()

    async def sent(self) -> float:
        """How many samples it has sent, those that came back aside: delivered or given up."""
        sent = await self.agent.sample("prometheus_remote_storage_samples_total")
        return sent - await self.agent.sample("prometheus_remote_storage_samples_retried_total")

    async def failed(self) -> float:
        """How many it believes lost."""
        failed = await self.agent.sample("prometheus_remote_storage_samples_failed_total")
        return failed + await self.agent.sample("prometheus_remote_storage_samples_dropped_total")

    async def stored(self) -> Mapping[str, Sequence[float]]:
        """The values of each metric that it has itself, of all its series, in the order of their times."""
        async with httpx2.AsyncClient(base_url=self.agent.url) as client:
            answer = await client.get("/api/v1/query", params={"query": STORED})
        values: dict[str, list[float]] = {}
        for series in answer.raise_for_status().json()["data"]["result"]:
            found = [float(value) for _, value in series["values"]]
            values.setdefault(series["metric"]["__name__"], []).extend(found)
        return values

    async def has_sent_all(self) -> bool:
        """Whether nothing waits to be sent."""
        return await self.agent.sample("prometheus_tsdb_head_samples_appended_total") == await self.sent()


def config(system: System, targets: str, more: str) -> str:
    """A configuration file."""
    return CONFIG.format(targets=targets, url=system.url, key=system.key, more=more)


@asynccontextmanager
async def prometheus(program: str, system: System, folder: Path, more: str) -> AsyncIterator[Prometheus]:
    """Prometheus, writing what it scrapes to the gateway."""
    path, port = folder / "prometheus.yml", free_port()
    async with target() as scraped:
        path.write_text(config(system, f"'127.0.0.1:{scraped.port}'", more))
        async with measured(
            program, f"--config.file={path}", f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
            url=f"http://127.0.0.1:{port}", log=folder / "prometheus.log",
        ) as agent:  # fmt: skip
            yield Prometheus(agent, scraped, path)


DEBIAN = pytest.param("", "", id="debian")
NEWEST = [pytest.param("prometheus", "", id="newest"), pytest.param("prometheus", SECOND, id="newest-2.0")]


@pytest.mark.parametrize(("program", "more"), [DEBIAN, *(NEWEST if programs.BUILT else ())])
async def test_what_prometheus_believes_delivered_is_counted_once(
    system: System, tmp_path: Path, program: str, more: str
) -> None:
    """Every sample but those that are no value, the growth of a counter, and the points of a level."""
    promtool.find()
    path = str(programs.program(program)) if program else "prometheus"
    async with prometheus(path, system, tmp_path, more) as sender:
        await until(lambda: has_grown(system), "the first samples are in the tables", 60)
        await go_wrong(system)
        await sender.stop_scraping(system, more)
        await tables.settled(sender.has_sent_all, "all samples are sent")
        stored, failed = await sender.stored(), await sender.failed()
    samples = {metric: len(values) for metric, values in stored.items()}
    levels = {metric: samples[metric] for metric in samples if metric.startswith(("queue", "up", "scrape"))}
    growth = stored["orders_total"][-1] - stored["orders_total"][0]

    async def are_in_windows() -> bool:
        counts, grown = await tables.counts(system), await tables.grown(system, "orders_total")
        return grown == growth and levels.items() <= counts.items()

    await tables.settled(
        lambda: tables.are_counted(system, sum(samples.values())), f"{samples} are in the ledger"
    )
    await tables.settled(are_in_windows, f"{levels} and a growth of {growth} are in the tables")
    # Version 2.0 is told what was no value, version 1.0 is not.
    assert (samples["hit_ratio"] if more else 0) == failed
    assert growth == await tables.grown(system, "basket_seconds_count")
    found = {tuple(row) for row in await system.sql(SERIES, system.tenant_id)}
    assert found >= KNOWN
    assert "hit_ratio" not in {metric for metric, *_ in found}
    assert 1.0 == (await system.sql(BOUND, system.tenant_id))[0][0]


async def has_grown(system: System) -> bool:
    """Whether anything has been counted."""
    return await tables.grown(system, "orders_total") > 0
