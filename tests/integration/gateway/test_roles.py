"""The two processes of a gateway: what each says of the other's routes, and how a query process ends."""

import asyncio

import asyncpg
import httpx2
import pytest

from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s
from tests.support.http.gateway import Gateway, points
from tests.support.wait import until

pytestmark = pytest.mark.servers


async def test_each_role_names_the_address_of_the_other(gateway: Gateway) -> None:
    """421 is no success for any client; asked again at that address, the same request is answered."""
    read = {"x-api-key": "read"}
    async with httpx2.AsyncClient(timeout=20) as client:
        asked = await client.get(f"{gateway.url}/v1/windows?metric=m&resolution=1m", headers=read)
        posted = await client.post(f"{gateway.query_url}/v1/telemetry", json=points([1]))
        answered = await client.get(asked.json()["ask"], headers=read)
        taken = await client.post(posted.json()["ask"], json=points([1]), headers={"x-api-key": "write"})

    assert [(421, "misdirected")] * 2 == [(one.status_code, one.json()["code"]) for one in (asked, posted)]
    assert f"{gateway.query_url}/v1/windows?metric=m&resolution=1m" == asked.json()["ask"]
    assert (200, 202) == (answered.status_code, taken.status_code)


async def test_a_large_post_to_a_query_process_does_not_spoil_the_connection(gateway: Gateway) -> None:
    """What nobody reads is thrown away; the next request on the connection is answered."""
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20) as client:
        statuses = [(await client.post("/v1/events", content=b" " * (1 << 20))).status_code for _ in range(3)]
        statuses.append((await client.get("/v1/funnels", headers={"x-api-key": "read"})).status_code)

    assert [421, 421, 421, 200] == statuses


async def test_both_roles_know_of_stopped_partitions_and_are_ready_all_the_same(
    gateway: Gateway, stack: Stack
) -> None:
    """The other partitions go on and the log keeps what waits: no reason to send traffic elsewhere."""
    conn = await asyncpg.connect(stack.postgres)
    row = "INSERT INTO breaker (topic, partition, stopped_at, reason, kind) VALUES ($1, 0, 7, 'e', 'deaths')"
    await conn.execute(row, gateway.topic)
    try:
        async with httpx2.AsyncClient() as client:
            for process in (gateway.intake, gateway.query):

                async def knows(url: str = f"{process.metrics_url}/health/ready") -> bool:
                    answer = await client.get(url)
                    return (200, {gateway.topic: 1}) == (
                        answer.status_code,
                        answer.json()["stopped_partitions"],
                    )

                await until(knows, "the process knows of the stopped partition", 30)
    finally:
        await conn.execute("DELETE FROM breaker WHERE topic = $1", gateway.topic)
        await conn.close()


async def test_a_query_process_ends_quickly(leaving: Gateway) -> None:
    """SIGTERM: a tidy exit within a few seconds, although connections are open."""
    async with httpx2.AsyncClient(base_url=leaving.query_url, headers={"x-api-key": "read"}) as client:
        answer = await client.get("/v1/funnels")
        began_s = monotonic_s()
        code = await asyncio.to_thread(leaving.query.stop)
        took_s = monotonic_s() - began_s

    assert (200, 0, True) == (answer.status_code, code, took_s < 5)
