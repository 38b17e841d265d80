"""The plain runtime leaves the event loop to others."""

import asyncio
import random
from typing import Any, cast

from shared.stream.pump import Pump
from shared.stream.runtimes.aiokafka_runtime import Runtime
from tests.support.logs import FakeLog
from tests.support.simulated.kafka import MemoryConsumer, MemoryLog

TURNS = 10


class FakeConsumer(MemoryConsumer):
    """One that never has to wait for records, as while it reads up a backlog."""

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[Any, Any]:
        """What it has at hand."""
        return {}


async def test_a_backlog_does_not_starve_the_loop() -> None:
    """Others are heard within a few turns although no fetch waits."""
    consumer = FakeConsumer(MemoryLog(cast(Any, None)), random.Random(0))
    runtime = Runtime(Pump(cast(Any, None), cast(Any, None), FakeLog()), consumer, ())
    heard = asyncio.Event()
    asyncio.get_running_loop().call_soon(heard.set)

    for _ in range(TURNS):
        await runtime.turn(heard)

    assert heard.is_set()
