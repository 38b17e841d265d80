"""Crashes do not matter: a worker is ended, and frozen, at every boundary of fetch, fold, commit, acquire and drain."""

import asyncio
import os
import random
from itertools import product
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from shared.runtime.failpoint import POINTS
from tests.support.processes import forks
from tests.support.processes.crashing import Blow, StruckWorker
from tests.support.processes.harness import Harness

pytestmark = pytest.mark.servers

SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
ALL = os.environ.get("TIDEGAUGE_CRASHES") == "all"
"""Every blow, as `make crashes` wants it; else each point by each way once, its passage chosen by the seed."""

PARTS = 6
"""Shares of the blows, each a test, so that several processes of pytest take them."""

LANES = 2
"""Systems side by side in a share: half of a blow is waiting."""

PASSAGES = (1, 2, 10)
WAYS = ("exit", "freeze")


def blows() -> list[Blow]:
    """Where to inject a failure, and how, in a random order."""
    chance = random.Random(SEED)
    passages = {way: PASSAGES if ALL else (chance.choice(PASSAGES),) for way in product(POINTS, WAYS)}
    chosen = [Blow(point, passage, how) for (point, how), each in passages.items() for passage in each]
    chance.shuffle(chosen)
    return chosen


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
async def test_a_crash_at_any_point_loses_and_doubles_nothing(
    stack: Stack, tmp_path: Path, part: int
) -> None:
    """At the first, second or tenth passage; a point that is not reached fails."""
    forks.preload("aggregator")
    left = blows()[part::PARTS]
    async with asyncio.TaskGroup() as group:
        for number in range(LANES):
            group.create_task(_inject(stack, tmp_path / str(number), left))


async def _inject(stack: Stack, folder: Path, left: list[Blow]) -> None:
    tenant_id = random.SystemRandom().randrange(1 << 40)
    settings = {"AGGREGATOR_LIVE_EVERY_MS": "60000"}
    harness = Harness(
        stack.kafka, stack.postgres, stack.redis, "aiokafka", f"t{tenant_id}.", tenant_id, folder, settings=settings
    )  # fmt: skip
    async with StruckWorker(harness, SEED) as worker:
        while left:
            await worker.inject(left.pop())
