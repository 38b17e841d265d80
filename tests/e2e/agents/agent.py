"""A running agent: a process with a log, and a page of its own metrics in the text format of Prometheus.

Spans are seconds.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.support.wait import until

START_S = 60.0
"""How long its metrics may be away at first."""


@dataclass
class Agent:
    """What a test asks an agent, and tells it."""

    url: str
    """Where its metrics are, at `/metrics`."""
    process: asyncio.subprocess.Process

    async def sample(self, metric: str) -> float:
        """The sum of all samples of one of its metrics; 0 where there is none."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            text = (await client.get("/metrics")).raise_for_status().text
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((f"{metric} ", f"{metric}{{"))
        )

    async def answers(self) -> bool:
        """Whether its metrics can be read."""
        try:
            await self.sample("")
        except httpx2.HTTPError:
            return False
        return True

    def reload(self) -> None:
        """Have it read its configuration again."""
        self.process.send_signal(signal.SIGHUP)


@asynccontextmanager
async def running(*command: str | Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process until the end of the block."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*map(str, command), stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def measured(*command: str | Path, url: str, log: Path) -> AsyncIterator[Agent]:
    """An agent until the end of the block, its metrics at `url`."""
    async with running(*command, log=log) as process:
        agent = Agent(url, process)
        await until(agent.answers, f"the metrics of {url}; log: {log}", START_S)
        yield agent
