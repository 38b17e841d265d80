"""Lines of InfluxDB and StatsD datagrams, from the sender to the tables."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from tests.support.http.gateway import free_port
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(540)]

GROWN = """
SELECT coalesce(sum(sum), 0) AS grown FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = $2 AND kind = $3
"""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


async def test_lines_and_datagrams_are_counted_once(system: System) -> None:
    """By a gateway that was started with a port for datagrams."""
    port = free_port()
    await system.workers["gateway"].remove()
    await system.start("gateway", {"GATEWAY_STATSD_PORT": str(port), "GATEWAY_STATSD_KEY": system.key})
    await system.answers()
    await post_lines(system)
    send_datagrams(port)

    await until(lambda: has_grown(system, "jobs", "delta", 3), "the datagrams are in the tables", 60)
    await until(lambda: has_grown(system, "cpu_idle", "gauge", 97.5), "the lines are in the tables", 60)


async def has_grown(system: System, metric: str, kind: str, wanted: float) -> bool:
    """Whether all of it is there; more than that never is."""
    found = float((await system.sql(GROWN, system.tenant_id, metric, kind))[0]["grown"])
    assert found <= wanted
    return found == wanted


async def post_lines(system: System) -> None:
    """One line of InfluxDB's protocol, twice: the same bytes are the same point."""
    line = f"cpu,host=a idle=97.5 {now_ms()}"
    headers = {"Authorization": f"Token {system.key}"}
    async with httpx2.AsyncClient(base_url=system.url, headers=headers) as client:
        answers = [
            (await client.post("/api/v2/write?bucket=any&precision=ms", content=line)).status_code
            for _ in range(2)
        ]

    assert [204, 204] == answers


def send_datagrams(port: int) -> None:
    """A counter, in two datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for line in (b"jobs:1|c", b"jobs:1|c|@0.5\nbad"):
            sending.sendto(line, ("127.0.0.1", port))
