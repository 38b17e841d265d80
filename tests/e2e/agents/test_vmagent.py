"""vmagent as it is shipped: what it believes delivered is counted once.

Kafka is away for ten seconds meanwhile, and the gateway is killed and started again.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.e2e.agents import programs, tables
from tests.e2e.agents.agent import Agent, measured
from tests.e2e.agents.faults import go_wrong
from tests.e2e.agents.target import target
from tests.support.http.gateway import free_port
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not programs.BUILT, reason="make clients"),
]

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [targets: [{targets}]]
"""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


async def test_what_vmagent_believes_delivered_is_counted_once(system: System, tmp_path: Path) -> None:
    """Every sample but those that are no value, the growth of a counter, and the points of a level."""
    config, port = tmp_path / "scrape.yml", free_port()
    async with target() as scraped:
        config.write_text(CONFIG.format(targets=f"'127.0.0.1:{scraped.port}'"))
        async with measured(
            programs.program("vmagent"), f"-promscrape.config={config}", f"-httpListenAddr=127.0.0.1:{port}",
            f"-remoteWrite.url={system.url}/api/v1/write", f"-remoteWrite.bearerToken={system.key}",
            f"-remoteWrite.tmpDataPath={tmp_path / 'vmagent'}",
            url=f"http://127.0.0.1:{port}", log=tmp_path / "vmagent.log",
        ) as vmagent:  # fmt: skip
            await until(lambda: has_grown(system), "the first samples are in the tables", 60)
            await go_wrong(system)
            config.write_text(CONFIG.format(targets=""))
            vmagent.reload()
            await tables.settled(
                lambda: is_counted(system, vmagent, scraped.count), "what it believes delivered is counted"
            )
            dropped = await lost(vmagent)

    async def are_in_windows() -> bool:
        counts = await tables.counts(system)
        grown = await tables.grown(system, "orders_total")
        return (grown, counts["queue_length"]) == (scraped.count - 1, scraped.count)

    await tables.settled(are_in_windows, f"{scraped.count} scrapes are in the tables")
    assert 0 == dropped


async def lost(vmagent: Agent) -> float:
    """What it says that it has given up."""
    dropped = await vmagent.sample("vmagent_remotewrite_packets_dropped_total")
    return dropped + await vmagent.sample("vmagent_remotewrite_samples_dropped_total")


async def is_counted(system: System, vmagent: Agent, scrapes: int) -> bool:
    """Whether nothing waits to be sent, and all that was is in the tables, what is no value aside; never more.

    One sample of a scrape is no value; a block that is sent again is refused for it again.
    """
    waits = await vmagent.sample("vmagent_remotewrite_pending_data_bytes")
    pushed = await vmagent.sample("vmagent_remotewrite_rows_pushed_after_relabel_total")
    # Samples that only say that a series has ended are no values.
    stale = await vmagent.sample("vm_promscrape_stale_samples_created_total")
    found = await tables.outcomes(system)
    valued = found.get("counted", 0) - found.get("derived", 0)
    sent = pushed - stale - scrapes
    assert valued <= sent, found
    return waits == 0 and valued == sent


async def has_grown(system: System) -> bool:
    """Whether anything has been counted."""
    return await tables.grown(system, "orders_total") > 0
