"""A client that repeats itself counts once, whatever is killed and whichever gateway it finds."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from tests.support.http.gateway import Gateway, gateway
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ROWS = 6
"""Points of each batch, over all partitions."""

BATCHES = 150
LONG_AGO_MS = 40 * 60_000
"""Windows of every tier that lie so far back have closed, so that points are in the tables at once."""


@dataclass
class Batch:
    """What a client sends again and again."""

    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


@pytest_asyncio.fixture
async def second(system: System, stack: Stack, tmp_path: Path) -> AsyncIterator[Gateway]:
    """Another gateway of the same system."""
    folder = tmp_path / "second"
    folder.mkdir()
    made = gateway((stack.kafka, stack.postgres, stack.redis), system.prefix, folder)
    made.start()
    try:
        await made.answers()
        yield made
    finally:
        made.remove()


async def test_every_batch_counts_once_however_often_it_is_sent(system: System, second: Gateway) -> None:
    """With keys and without, to both gateways at once, while workers and gateways are killed."""
    batches = [made(number, keyed=number % 3 > 0) for number in range(BATCHES)]

    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(sent(batch, (system.url, second.url), system.key)) for batch in batches]
        for service in ("aggregator", "gateway", "aggregator", "gateway"):
            done = sum(task.done() for task in sending)
            await until(lambda: some_more(sending, done), "more batches are answered", 60)  # noqa: B023
            await system.kill(service)

    # Each was answered twice: when so many repeats have been left out, none is still to come that was acknowledged.
    await until(
        lambda: left_out(system, BATCHES * ROWS), "all that was answered is read, repeats included", 90
    )
    total = (await system.get("/v1/ledger"))["total"]
    assert (0, 0) == (total["conflict"], total["difference"])
    assert [[1.0] * ROWS] * BATCHES == await counts(system)
    assert [ROWS] * 3 == await asyncio.gather(*(rows_of(system, number) for number in (1, 2, 4)))


async def test_two_bodies_under_one_key_are_told_apart(system: System, second: Gateway) -> None:
    """All gateways agree on one of them, and that one counts."""
    first, other = made(1, keyed=True), made(2, keyed=True)
    other.headers = first.headers

    async with httpx2.AsyncClient(timeout=20) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    url + "/v1/telemetry", json=batch.body, headers=batch.headers | {"x-api-key": system.key}
                )
                for url in (system.url, second.url)
                for batch in (first, other)
                for _ in range(3)
            )
        )

    await until(lambda: counted(system, ROWS), "one of them is in the tables", 60)
    assert [202] * 6 + [422] * 6 == sorted(answer.status_code for answer in answers)
    total = (await system.get("/v1/ledger"))["total"]
    assert (0, 0) == (total["conflict"], total["difference"])


def made(number: int, *, keyed: bool) -> Batch:
    """Points of a metric of its own, each of a series of its own."""
    ts = now_ms() - LONG_AGO_MS
    points = [
        {"name": f"batch.{number:03}", "value": 1, "ts": ts, "labels": {"row": str(row)}}
        for row in range(ROWS)
    ]
    return Batch({"points": points}, {"idempotency-key": f"key-{number}"} if keyed else {})


async def sent(batch: Batch, urls: tuple[str, ...], key: str) -> None:
    """Send a batch until it was answered twice, whatever came of the other attempts."""
    answered = 0
    async with httpx2.AsyncClient(timeout=20) as client:
        while answered < 2:
            url = random.choice(urls)
            try:
                answer = await client.post(
                    url + "/v1/telemetry", json=batch.body, headers=batch.headers | {"x-api-key": key}
                )
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
                continue
            assert answer.status_code in {202, 503}, answer.text
            answered += answer.status_code == 202
            await asyncio.sleep(random.random())


async def some_more(sending: list[asyncio.Task[None]], done: int) -> bool:
    """Whether more batches were answered than so many."""
    return sum(task.done() for task in sending) >= min(done + 10, len(sending))


async def left_out(system: System, rows: int) -> bool:
    """Whether so many repeated rows have been left out; a gateway that was killed may still be starting."""
    try:
        total = (await system.get("/v1/ledger"))["total"]
    except httpx2.HTTPError:
        return False
    return bool(total["duplicate"] >= rows)


async def counted(system: System, rows: int) -> bool:
    """Whether so many points are in the tables."""
    (row,) = await system.sql(
        "SELECT sum(count) AS points FROM rollup_15m JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric LIKE 'batch.%'",
        system.tenant_id,
    )
    return bool(row["points"] == rows)


async def counts(system: System) -> list[list[float]]:
    """The counts of the series of each batch."""
    rows = await system.sql(
        "SELECT array_agg(count) AS counts FROM rollup_15m JOIN series USING (series_id) "
        "WHERE tenant_id = $1 AND metric LIKE 'batch.%' GROUP BY metric ORDER BY metric",
        system.tenant_id,
    )
    return [row["counts"] for row in rows]


async def rows_of(system: System, number: int) -> int:
    """How many rows of a batch are said to have counted."""
    found: int = (await system.get(f"/v1/batches/key-{number}"))["rows"]
    return found
