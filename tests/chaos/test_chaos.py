"""Whatever is killed or frozen, each point of each batch counts once: `make chaos` draws thirty runs of two minutes.

TIDEGAUGE_CHAOS_RUNS and TIDEGAUGE_CHAOS_S say how many and how long; TIDEGAUGE_SEED=n is run n alone.
"""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from shared.model.window import TIERS_MS, start_of
from tests.support.clients import Clients
from tests.support.stage import Stage
from tests.support.strikes import strikes

RUNS = int(os.environ.get("TIDEGAUGE_CHAOS_RUNS", "2"))
LENGTH_S = float(os.environ.get("TIDEGAUGE_CHAOS_S", "120"))
SEEDS = [int(given)] if (given := os.environ.get("TIDEGAUGE_SEED")) else range(1, RUNS + 1)
CLIENTS = 8

pytestmark = [pytest.mark.servers, pytest.mark.chaos, pytest.mark.timeout(LENGTH_S + 400)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_point_counts_once_in_a_run_of_chaos(stack: Stack, tmp_path: Path, seed: int) -> None:
    """Workers, gateways, Kafka, Postgres and Redis are killed and frozen at random; clients repeat until answered."""
    planned = strikes(seed, LENGTH_S)
    async with Stage(stack, tmp_path) as stage:
        clients = Clients(stage.urls, stage.key, random.Random(seed))
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.send(CLIENTS, ended))
            await stage.suffer(planned)
            await stage.answers()
            ended.set()
        try:
            await stage.counted(clients)
        except AssertionError as problem:
            story = "\n".join(map(str, planned))
            raise AssertionError(
                f"{problem}\nseed {seed}, {LENGTH_S:g} s, {clients.points} points\n{story}"
            ) from None

        fine = await stage.windows(TIERS_MS[0])
        assert fine == dict(clients.expected)
        for resolution_ms in TIERS_MS[1:]:
            merged = Counter[tuple[int, int]]()
            for (start_ms, series), total in clients.expected.items():
                merged[start_of(start_ms, resolution_ms), series] += total
            closed = await stage.windows(resolution_ms)
            assert closed
            assert closed.items() <= merged.items()
        assert {70} >= stage.exits, "a worker ended in a way of its own"
