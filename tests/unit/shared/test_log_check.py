"""What the comparison with the log says besides: a worker that has nothing to read says so once."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.runtime.metadata import TopicMetadata
from shared.stream.log.check import UNASSIGNED_ROUNDS, WATCH_S, LogCheck
from tests.support.logs import FakeLog
from tests.support.simulated.loop import SimulatedLoop


class FakeDeleted(FakeLog):
    """A log without a topic."""

    async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
        """None."""
        return {}


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(FakeLog(), ("warning", 12, []), id="more workers than partitions"),
        pytest.param(FakeDeleted(), ("error", 0, ["points"]), id="the topic is gone"),
    ],
)
def test_a_worker_without_partitions_says_so_once(log: FakeLog, said: tuple[str, int, list[str]]) -> None:
    """Longer than any rebalance; a group whose topic was deleted is silent otherwise (Kafka's consumer)."""

    async def timeline() -> list[Any]:
        with capture_logs() as logged:
            watching = asyncio.create_task(LogCheck(log).run(dict, lambda _: None, ["points"]))
            await asyncio.sleep(4 * UNASSIGNED_ROUNDS * WATCH_S)
            watching.cancel()
        return logged

    logged = SimulatedLoop(random.Random(1)).run(timeline())

    assert [said] == [(line["log_level"], line["of"], line["missing"]) for line in logged]
