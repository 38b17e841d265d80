"""Gateways with wrong clocks beside an honest one, under load: nothing that is counted, closed or paged changes.

The clocks are moved by libfaketime. Source: issue 11, clocks; measured at 73920a5, where 15 s ahead made all points of
the honest gateway late and its alerts silent, and 61 minutes ahead stopped all partitions.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.model.window import BASE_MS
from shared.runtime.clock import now_ms
from tests.support.http.gateway import free_port
from tests.support.http.webhook import Webhook
from tests.support.processes.faketime import wrong_clock
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(720)]

AHEAD_S = (15, 3_660, -90)
"""How far the clocks of the others are ahead."""

WINDOWS = 3
"""Windows of the honest gateway that must have closed."""

PAUSE_S = 0.25
BATCH = 5
"""Points of the batch that comes through every gateway."""

LEAST_LATE = 0.05
"""Share of late points that a machine under load may have for reasons of its own."""


@dataclass(frozen=True)
class Gateway:
    """An intake, and how far its clock is ahead."""

    name: str
    ahead_s: int
    port: int
    metrics_port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, path: str) -> httpx2.Response:
        """The answer at its port for health."""
        async with httpx2.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.metrics_port}{path}")

    async def offset_s(self) -> float | None:
        """What it says of its clock; None before it knows."""
        try:
            text = (await self.ask("/metrics")).text
        except httpx2.TransportError:
            return None
        found = re.search(r"^gateway_clock_offset_seconds(?:\{.*\})? (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    async def knows(self) -> bool:
        """Whether it has read the broker's clock."""
        return await self.offset_s() is not None


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """All services."""
    with Webhook() as webhook:
        async with System(stack, tmp_path, webhook.url) as made:
            yield made


@pytest_asyncio.fixture
async def gateways(system: System) -> list[Gateway]:
    """The honest one first; those with wrong clocks beside it."""
    honest = Gateway("gateway", 0, system.ports["gateway"], system.health["gateway"])
    others = [Gateway(f"gateway-{ahead}", ahead, free_port(), free_port()) for ahead in AHEAD_S]
    for one in others:
        ports = {"GATEWAY_PORT": str(one.port), "GATEWAY_METRICS_PORT": str(one.metrics_port)}
        await system.start(one.name, ports | wrong_clock(one.ahead_s))
    for one in (honest, *others):
        await until(one.knows, f"{one.name} has read the broker's clock")
    return [honest, *others]


async def test_wrong_clocks_of_other_gateways_have_no_influence(
    system: System, gateways: list[Gateway]
) -> None:
    """Points of none are late, the honest one's alert fires and stays, a repeat counts once, no partition stops."""
    await assert_known(gateways)
    began_ms, ended = now_ms(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one in gateways:
            group.create_task(load(system, one, ended))
        try:
            await repeat(system, gateways)
            await until(lambda: closed(system, WINDOWS), f"{WINDOWS} windows have closed")
            transitions = await system.sql(
                "SELECT transition FROM alert_event WHERE tenant_id = $1 AND rule LIKE '%ApiResponseSlow'",
                system.tenant_id,
            )
        finally:
            ended.set()

    assert ["firing"] == [row["transition"] for row in transitions]
    await assert_on_time(system, began_ms)
    await assert_counted_once(system)
    assert [] == await system.sql(
        "SELECT FROM breaker WHERE starts_with(topic, $1) AND stopped_at IS NOT NULL", system.prefix
    )
    assert [] == await system.sql("SELECT FROM dead_letter WHERE starts_with(topic, $1)", system.prefix)


async def assert_known(gateways: list[Gateway]) -> None:
    """Each gateway says how wrong its clock is, and is not ready beyond the limit of 10 s, with that as the reason."""
    for one in gateways:
        ready = await one.ask("/health/ready")
        problem = ready.json()["dependencies"]["clock"]

        assert one.ahead_s == pytest.approx(await one.offset_s(), abs=1.0)
        assert (503 if one.ahead_s else 200) == ready.status_code
        assert problem.startswith("the clock of this machine is") if one.ahead_s else problem == "up"


async def load(system: System, gateway: Gateway, ended: asyncio.Event) -> None:
    """Points without a time of their own, which the gateway stamps; slow responses through the honest one alone."""
    body = {"points": [{"name": "clocks.load", "value": 1, "labels": {"gateway": gateway.name}}]}
    if not gateway.ahead_s:
        body["points"].append({"name": "api.response_seconds", "value": 4, "labels": {"endpoint": "/clocks"}})
    async with httpx2.AsyncClient(base_url=gateway.url, headers={"x-api-key": system.key}) as client:
        while not ended.is_set():
            answer = await client.post("/v1/telemetry", json=body)
            assert answer.status_code == 202, answer.text
            await asyncio.sleep(PAUSE_S)


async def repeat(system: System, gateways: list[Gateway]) -> None:
    """One batch under one key through every gateway, and through the honest one again."""
    ts = now_ms()
    points = [{"name": "clocks.batch", "value": 1, "ts": ts, "labels": {"n": str(n)}} for n in range(BATCH)]
    headers = {"x-api-key": system.key, "idempotency-key": "clocks"}
    async with httpx2.AsyncClient(headers=headers) as client:
        for one in (*gateways, gateways[0]):
            answer = await client.post(f"{one.url}/v1/telemetry", json={"points": points})
            assert answer.status_code == 202, answer.text


async def closed(system: System, windows: int) -> bool:
    """Whether so many windows of the honest gateway's load are in the table."""
    rows = await system.sql(
        "SELECT FROM rollup_10s JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric = 'clocks.load' AND labels->>'gateway' = 'gateway'",
        system.tenant_id,
    )
    return len(rows) >= windows


async def assert_on_time(system: System, began_ms: int) -> None:
    """The points of each gateway lie in the windows in which they came, and are not late."""
    rows = await system.sql(
        "SELECT labels->>'gateway' AS gateway, sum(late_count) AS late, sum(count) AS points, "
        "(extract(epoch FROM min(window_start)) * 1000)::bigint AS first_ms, "
        "(extract(epoch FROM max(window_start)) * 1000)::bigint AS last_ms "
        "FROM rollup_10s JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric = 'clocks.load' GROUP BY 1",
        system.tenant_id,
    )
    assert len(AHEAD_S) + 1 == len(rows)
    for row in rows:
        assert row["late"] <= LEAST_LATE * float(row["points"]), dict(row)
        assert began_ms - BASE_MS <= row["first_ms"] <= row["last_ms"] <= now_ms(), dict(row)


async def assert_counted_once(system: System) -> None:
    """The batch has counted once, its repeats are duplicates, and the account closes."""
    (row,) = await system.sql(
        "SELECT sum(count) AS points FROM rollup_10s JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric = 'clocks.batch'",
        system.tenant_id,
    )
    total = (await system.get("/v1/ledger"))["total"]

    assert BATCH == row["points"]
    assert (BATCH * (len(AHEAD_S) + 1), 0) == (total["duplicate"], total["difference"])
