"""What becomes of requests while Kafka, Postgres or Redis is away."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s
from tests.support.http.gateway import Gateway, points, prepare
from tests.support.http.gateway import gateway as unstarted
from tests.support.wait import until

pytestmark = pytest.mark.servers


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """One server stands still."""
    stack.servers[name].freeze()
    try:
        yield
    finally:
        stack.servers[name].thaw()


def outcome(answer: httpx2.Response) -> tuple[int, str]:
    """Status and outcome."""
    return answer.status_code, answer.json().get("outcome", "")


async def taken(gateway: Gateway, first: int) -> int:
    """Post points until one is accepted; its value. A gateway that waits 300 ms for a broker may refuse some."""
    posted: list[int] = []

    async def accepted() -> bool:
        posted.append(first + len(posted))
        return (await gateway.post(points(posted[-1:]))).status_code == 202

    await until(accepted, "points are taken", 30)
    return posted[-1]


async def test_a_frozen_kafka_is_answered_within_bounds_and_forgotten_after(
    stack: Stack, impatient: Gateway
) -> None:
    """An answer at the deadline, then `not_accepted` at once; when it wakes, points are taken, each once."""
    before = await taken(impatient, 2000)
    with frozen(stack, "kafka"):
        began_s = monotonic_s()
        first = await impatient.post(points([2]))
        waited_s = monotonic_s() - began_s
        at_once = [await impatient.post(points([3])) for _ in range(20)]
        refused_s = monotonic_s() - began_s - waited_s
        ready = await impatient.status("/health/ready")

    await impatient.answers()
    accepted = await taken(impatient, 1000)
    values = Counter(await impatient.values())

    # A tick may have been under way when Kafka froze; then the first request waited behind it and was given back, and
    # one after it was the first to be sent.
    outcomes = [outcome(answer) for answer in (first, *at_once)]
    assert {(503, "not_accepted")} <= set(outcomes) <= {(503, "unknown"), (503, "not_accepted")}
    assert outcomes[-1] == (503, "not_accepted")
    assert ready == 503
    assert (True, True) == (waited_s < 6, refused_s < 6)
    assert (1, 1) == (values[before], values[accepted])
    assert values[2] + values[3] <= outcomes.count((503, "unknown"))


async def test_what_waits_behind_a_stalled_flush_is_given_back(stack: Stack, impatient: Gateway) -> None:
    """A request that came before the stall was noticed was never produced, and is told so."""
    with frozen(stack, "kafka"):
        posting = [asyncio.create_task(impatient.post(points([at]))) for at in range(100, 105)]
        await asyncio.wait(posting, return_when=asyncio.FIRST_COMPLETED)
        posting += [asyncio.create_task(impatient.post(points([at]))) for at in range(105, 110)]
        outcomes = {outcome(answer) for answer in await asyncio.gather(*posting)}

    assert outcomes <= {(503, "unknown"), (503, "not_accepted")}
    await impatient.answers()


async def test_a_killed_kafka_is_survived_without_a_restart(stack: Stack, impatient: Gateway) -> None:
    """Points accepted before and after are in the log once; in between nothing hangs."""
    before = await taken(impatient, 3000)
    stack.servers["kafka"].kill()
    during = await impatient.post(points([202]))
    stack.servers["kafka"].start()  # type: ignore[attr-defined]
    await asyncio.to_thread(stack.servers["kafka"].wait_ready)
    after = await taken(impatient, 4000)
    values = Counter(await impatient.values())

    assert 503 == during.status_code
    assert (1, 1) == (values[before], values[after])


async def test_it_starts_without_kafka_and_topics(stack: Stack, tmp_path: Path) -> None:
    """Not ready, 503 at once, and at work as soon as its topic is there."""
    addresses = (stack.kafka, stack.postgres, stack.redis)
    early = unstarted(addresses, f"gw-{uuid4().hex[:8]}.", tmp_path)
    try:
        early.start()
        await early.answers(code=503)
        refused = await early.post(points([1]))
        await prepare(stack.kafka, stack.postgres, early.topic)
        await early.answers()
        taken = await early.post(points([2]))
    finally:
        early.remove()

    assert ((503, "not_accepted"), 202) == (outcome(refused), taken.status_code)


async def test_known_keys_go_on_while_postgres_is_frozen(stack: Stack, impatient: Gateway) -> None:
    """A key that was used before is taken, a new one is unavailable, and a query too."""
    await taken(impatient, 5000)
    with frozen(stack, "postgres"):
        await taken(impatient, 6000)
        new = await impatient.post(points([7000]), "admin")

    assert 503 == new.status_code


async def test_windows_are_served_while_redis_is_frozen(stack: Stack, gateway: Gateway) -> None:
    """Live ones too: they are read from the log."""
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20) as client:
        ask = lambda: client.get("/v1/windows", params={"metric": "m"}, headers={"x-api-key": "read"})  # noqa: E731
        before = await ask()
        with frozen(stack, "redis"):
            during = await ask()

    assert [(200, "available")] * 2 == [
        (answer.status_code, answer.json()["live"]) for answer in (before, during)
    ]
