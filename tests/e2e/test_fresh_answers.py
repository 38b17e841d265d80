"""Answers on the whole system: what is revised shows through every layer, without Redis and after a restart too."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from tests.support.http.gateway import status
from tests.support.processes.system import QUERY, System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

BLOCK_MS = 4 * 3600 * 1000
"""A block of rows of a minute."""

FRESH_S = 5.0
"""Deadline of a wait for what is committed: a second is promised, the rest is for a machine with other work."""

COMMITTED = """
SELECT coalesce(sum(samples), 0) FROM rollup_1m JOIN series USING (series_id) WHERE tenant_id = $1 AND metric = 'late'
"""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services that write version 5; nobody is paged."""
    settings = {"TIDEGAUGE_WRITE_VERSION": "5"}
    async with System(stack, tmp_path, "http://127.0.0.1:1/", settings=settings) as made:
        yield made


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """A server stands still."""
    stack.servers[name].freeze()
    try:
        yield
    finally:
        stack.servers[name].thaw()


async def post(system: System, metric: str, ts_ms: int) -> None:
    """One point."""
    body = {"points": [{"name": metric, "value": 1.5, "ts": ts_ms, "labels": {"route": "/a"}}]}
    async with httpx2.AsyncClient(base_url=system.url, timeout=20) as client:
        answer = await client.post("/v1/telemetry", json=body, headers={"x-api-key": system.key})
    assert 202 == answer.status_code


async def asked(system: System, metric: str, from_ms: int, to_ms: int, *, live: bool) -> tuple[float, Any]:
    """How many points an answer holds, and the answer; none before the metric is known."""
    question = {"metric": metric, "aggregates": ["count"], "live": live}
    body = {"questions": [question], "from": from_ms, "to": to_ms}
    try:
        found = await system.get("/v1/query", q=json.dumps(body))
    except httpx2.HTTPStatusError as refusal:
        if refusal.response.json()["code"] != "unknown_metric":
            raise
        return 0.0, {}
    series = found["results"][0].get("series", [])
    return sum(number for one in series for number in one["samples"] if number), found


class Late:
    """Points that come long after their windows have closed, and the answers that hold them."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.begin_ms = now_ms() // BLOCK_MS * BLOCK_MS - BLOCK_MS
        self.sent = 0

    async def count(self) -> float:
        """Points in the answer."""
        return (await asked(self.system, "late", self.begin_ms, self.begin_ms + BLOCK_MS, live=False))[0]

    async def send(self) -> None:
        """One more, and wait until it is committed, then until it is answered."""
        await post(self.system, "late", self.begin_ms + 60_000 * self.sent)
        self.sent += 1

        async def is_committed() -> bool:
            rows = await self.system.sql(COMMITTED, self.system.tenant_id)
            return bool(rows[0][0] == self.sent)

        async def is_answered() -> bool:
            return await self.count() == self.sent

        await until(is_committed, f"{self.sent} late points are committed")
        await until(is_answered, f"{self.sent} late points are answered", FRESH_S)

    async def hits(self, layer: str) -> int:
        """How often a layer knew the block."""
        layers = (await self.system.get("/v1/cache"))["layers"]
        return sum(each["hits"] for each in layers if each["layer"] == layer)

    async def is_known(self) -> bool:
        """Whether the answer needs no table."""
        found = await asked(self.system, "late", self.begin_ms, self.begin_ms + BLOCK_MS, live=False)
        assert self.sent == found[0]
        return bool(found[1]["cached"])


async def restart(system: System) -> None:
    """End the query process without warning, and start it again."""
    await system.kill(QUERY)
    await system.answers()


async def test_a_revision_shows_through_every_layer(stack: Stack, system: System) -> None:
    """Memory, Redis and tables; with Redis frozen answers take longer and are right."""
    late = Late(system)
    await late.send()
    await until(late.is_known, "the block is remembered")
    await late.send()
    await until(late.is_known, "the block is remembered again")
    in_memory = await late.hits("l1")
    await restart(system)
    await until(late.is_known, "the block is had from the process before")
    from_redis = await late.hits("l2")
    await late.send()
    with frozen(stack, "redis"):
        await late.send()
        await until(late.is_known, "the block is remembered without Redis")
    await late.send()

    assert in_memory > 0
    assert from_redis > 0
    assert late.sent == await late.count()


async def test_live_windows_are_there_after_a_restart_and_without_redis(stack: Stack, system: System) -> None:
    """They are read from the log, and no point is counted twice when its window closes."""
    first_ms = now_ms()
    await post(system, "now", first_ms)

    async def shown(count: int) -> bool:
        return (await asked(system, "now", first_ms - 60_000, now_ms() + 10_000, live=True))[0] == count

    await until(lambda: shown(1), "the point is shown while its window is open")
    await restart(system)
    with frozen(stack, "redis"):
        await until(lambda: shown(1), "the point is shown after a restart, without Redis")
        await post(system, "now", now_ms())
        await until(lambda: shown(2), "a point that has just come is shown")
    seen = set[float]()

    async def is_closed() -> bool:
        count, found = await asked(system, "now", first_ms - 60_000, now_ms() + 10_000, live=True)
        seen.add(count)
        return int(found["results"][0]["complete_until_ms"]) > first_ms + 20_000

    await until(is_closed, "the windows have closed")
    health = f"http://127.0.0.1:{system.health[QUERY]}/metrics"

    assert {2.0} == seen
    assert 200 == await status(health)
