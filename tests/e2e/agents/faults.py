"""What every agent is put through: Kafka is away for ten seconds, then the gateway is killed and started again."""

import asyncio

from tests.support.processes.system import System

AWAY_S = 10.0
"""How long Kafka is away."""


async def go_wrong(system: System, *, killed: bool = False) -> None:
    """Kafka is frozen, or killed; then the gateway is killed. Both are there again when this returns."""
    kafka = system.stack.servers["kafka"]
    (kafka.kill if killed else kafka.freeze)()
    try:
        await asyncio.sleep(AWAY_S)
    finally:
        (kafka.start if killed else kafka.thaw)()
        await asyncio.to_thread(kafka.wait_ready)
    await system.kill("gateway")
    await system.answers()
