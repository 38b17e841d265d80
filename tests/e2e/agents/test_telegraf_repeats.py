"""What Telegraf says again after a refusal is known by the names that it had before, whatever has come since.

The routes of the intake stand before a log that keeps what is published, and says for a while that it does not know
whether it has it: the aggregator would count each name once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.registry import protocol_routes
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from tests.e2e.agents import programs
from tests.e2e.agents.telegraf import AUTHORIZATION, INFLUXDB_1, INFLUXDB_2, LINES, Telegraf, telegraf
from tests.support.growing import FakeGrowingBodies
from tests.support.http.intake import FakeGrants, FakeLog, route
from tests.support.wait import until

pytestmark = [pytest.mark.skipif(not programs.BUILT, reason="make clients")]

REPEATS = 4
"""So many requests are not known to be in the log."""

FIELDS = 6
"""Of a scrape: a counter, a level, and four of a histogram."""


class Log(FakeLog):
    """Has all that is published, and says so or not."""

    def __init__(self) -> None:
        super().__init__()
        self.says = Outcome.ACCEPTED
        self.rows_by_name: dict[bytes, int] = {}
        self.published = 0
        """Batches, repeats included."""

    async def publish(self, batch: PointIntakeBatch) -> Outcome:
        """Keep the rows under their name."""
        assert batch.identity is not None
        self.rows_by_name[batch.identity.batch_id] = len(batch)
        self.published += 1
        return self.says

    async def takes(self, batches: int) -> None:
        """Wait until so many more were published."""
        wanted = self.published + batches

        async def fact() -> bool:
            return self.published >= wanted

        await until(fact, f"{batches} batches more are published", 60)


@asynccontextmanager
async def intake(path: str, log: Log) -> AsyncIterator[str]:
    """The address of a server with the route of a path."""
    grants, limits = FakeGrants(Grant(1, "write", 1e6, 1e6)), ConcurrencyLimits(100, 64 << 20)
    made, _ = route(
        log, grants, limits, protocol=protocol_routes(1000, 1000)[path], growing=FakeGrowingBodies()
    )

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await made(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started, "the server listens", 10)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize(
    ("output", "headers", "path"),
    [
        pytest.param(INFLUXDB_2, "", "/api/v2/write", id="influxdb_v2"),
        pytest.param(INFLUXDB_1, "", "/write", id="influxdb"),
        pytest.param(LINES, AUTHORIZATION, "/api/v2/write", id="lines"),
    ],
)
async def test_what_telegraf_says_again_has_the_names_that_it_had(
    tmp_path: Path, output: str, headers: str, path: str
) -> None:
    """Each field of each scrape stands under one name, though it was published several times."""
    log = Log()
    async with intake(path, log) as url:
        of = {"url": url, "key": "k"}
        async with telegraf(tmp_path, output.format(**of), headers.format(**of), 1) as sender:
            await log.takes(2)
            log.says = Outcome.UNKNOWN
            await log.takes(REPEATS)
            log.says = Outcome.ACCEPTED
            await log.takes(2)
            sender.target.gone = True
            await until(lambda: has_written(sender), "all metrics are written", 60)

    assert sender.target.count * FIELDS == sum(log.rows_by_name.values())
    assert log.published > len(log.rows_by_name)


async def has_written(sender: Telegraf) -> bool:
    """Whether it believes all scrapes delivered: of each a counter, a level and a histogram."""
    return sender.written("metrics_written") == 3 * sender.target.count
