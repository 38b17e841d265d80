"""Whatever is killed or frozen, each point of each batch counts once: `make chaos` draws thirty runs of two minutes.

TIDEGAUGE_CHAOS_RUNS and TIDEGAUGE_CHAOS_S say how many and how long, 2 of a minute where they do not; TIDEGAUGE_SEED=n
draws the faults of run n alone.
"""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from shared.model.window import TIERS_MS, start_of
from shared.runtime.lifecycle import EXIT_GIVEN_UP
from tests.support.load.clients import Clients
from tests.support.processes.cluster import Cluster
from tests.support.processes.faults import faults

RUNS = int(os.environ.get("TIDEGAUGE_CHAOS_RUNS", "2"))
LENGTH_S = float(os.environ.get("TIDEGAUGE_CHAOS_S", "60"))
SEEDS = [int(given)] if (given := os.environ.get("TIDEGAUGE_SEED")) else range(1, RUNS + 1)
CLIENTS = 8

pytestmark = [pytest.mark.servers, pytest.mark.chaos, pytest.mark.timeout(LENGTH_S + 400)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_point_counts_once_in_a_run_of_chaos(stack: Stack, tmp_path: Path, seed: int) -> None:
    """Workers, gateways, Kafka, Postgres and Redis are killed and frozen at random; clients repeat until answered.

    One gateway in three has a wrong clock.
    """
    async with Cluster(stack, tmp_path, random.Random(seed)) as cluster:
        clients = Clients(cluster.urls, cluster.key, random.Random(seed))
        try:
            await with_faults(cluster, clients, seed)
            await cluster.counted(clients)
            await assert_exact(cluster, clients)
        except BaseException as problem:
            problem.add_note(
                "\n".join((f"seed {seed}, {LENGTH_S:g} s, {clients.points} points", *cluster.fault_log))
            )
            problem.add_note(await cluster.state())
            raise
        assert {EXIT_GIVEN_UP} >= cluster.exits, "a process ended in a way of its own"
        assert [] == cluster.bugs(), "a process ended because of a bug"


async def with_faults(cluster: Cluster, clients: Clients, seed: int) -> None:
    """The faults are over, and everything that clients had begun is answered."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.send(CLIENTS, ended))
        await cluster.inject(faults(seed, LENGTH_S))
        await cluster.answers()
        ended.set()


async def assert_exact(cluster: Cluster, clients: Clients) -> None:
    """Each point counts once in every window that has closed, and none of these is missing."""
    until_ms = await cluster.watermark_ms()
    assert await cluster.windows(TIERS_MS[0]) == dict(clients.expected)
    for resolution_ms in TIERS_MS[1:]:
        merged = Counter[tuple[int, int]]()
        for (start_ms, series), total in clients.expected.items():
            merged[start_of(start_ms, resolution_ms), series] += total
        closed = {place: total for place, total in merged.items() if place[0] + resolution_ms <= until_ms}
        found = await cluster.windows(resolution_ms)
        assert closed
        # More may close while we look; what is there must be right.
        assert closed.items() <= found.items() <= merged.items()
