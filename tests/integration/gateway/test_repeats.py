"""Repeats of a batch over HTTP: two gateways that share a topic and a Redis, and nothing else."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.domain.repeats import Fresh
from shared.model.batch_id import id_of_key
from shared.postgres import connections
from shared.runtime.clock import monotonic_s, now_ms
from shared.stream.processor import Key
from shared.wire.stored.batch_ids import part_id
from tests.support.http.gateway import Gateway, gateway, points
from tests.support.http.reader import Reader
from tests.support.wait import until

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def other(steady: Gateway, stack: Stack, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A second gateway to the same topics."""
    prefix = steady.prefix
    made = gateway((stack.kafka, stack.postgres, stack.redis), prefix, tmp_path)
    made.start()
    try:
        await made.answers()
        yield made
    finally:
        made.remove()


async def parts(one: Gateway, values: list[float]) -> list[tuple[bytes, int]]:
    """Id and hash of the parts whose rows have these values."""
    return [
        (part.batch_id, part.body)
        for _, batch in await one.batches()
        for part in batch.batches
        if set(values) & set(batch.points.value[part.first : part.first + part.rows].tolist())
    ]


async def test_the_same_body_is_taken_again_by_any_gateway(gateway: Gateway, other: Gateway) -> None:
    """And stands in the log under one id, also when it was compressed on the way."""
    body, key = json.dumps(points([71.5])).encode(), uuid4().hex

    answers = [
        await gateway.post(body, idempotency_key=key),
        await other.post(body, idempotency_key=key),
        await other.post(gzip.compress(body), idempotency_key=key, content_encoding="gzip"),
    ]

    assert [(202, {"accepted": 1, "rejected": []})] * 3 == [(one.status_code, one.json()) for one in answers]
    found = await parts(gateway, [71.5])
    assert (3, 1) == (len(found), len(set(found)))


@pytest.mark.parametrize("path", ["/v1/telemetry", "/v1/events"])
async def test_another_body_is_refused_by_any_gateway(gateway: Gateway, other: Gateway, path: str) -> None:
    """By name, and nothing of it is in the log; the first goes on to be taken."""
    key = uuid4().hex
    first, second = (
        {"points": [{"name": "m", "value": value, "ts": now_ms()}]}
        if path == "/v1/telemetry"
        else {"events": [{"event_id": uuid4().hex, "type": "click"}]}
        for value in (72.5, 73.5)
    )
    await gateway.post(first, path=path, idempotency_key=key)

    refused = [await one.post(second, path=path, idempotency_key=key) for one in (gateway, other)]
    again = await other.post(first, path=path, idempotency_key=key)

    assert [(422, "idempotency_conflict")] * 2 == [(one.status_code, one.json()["code"]) for one in refused]
    assert 202 == again.status_code
    assert 73.5 not in await gateway.values()


async def test_of_many_bodies_at_once_one_is_taken(gateway: Gateway, other: Gateway) -> None:
    """However they race: all answers of 202 are of one body."""
    key, bodies = uuid4().hex, [points([80.0 + at / 8]) for at in range(4)]

    answers = await asyncio.gather(
        *(
            one.post(body, idempotency_key=key)
            for body in bodies
            for one in (gateway, other)
            for _ in range(3)
        )
    )

    statuses = [[answer.status_code for answer in answers[at * 6 : at * 6 + 6]] for at in range(4)]
    assert [[202] * 6, *[[422] * 6] * 3] == sorted(statuses)


async def test_what_grew_is_known_by_any_gateway(gateway: Gateway, other: Gateway) -> None:
    """Telegraf says again what was refused, and what has come since behind it."""
    old, new = (f"grew,host={uuid4().hex} value={value} {now_ms()}000000\n" for value in (74.5, 75.5))

    answers = [
        await one.post(body.encode(), path="/api/v2/write")
        for one, body in ((gateway, old), (other, old + new), (gateway, old + new))
    ]

    assert [204] * 3 == [answer.status_code for answer in answers]
    before, since = await parts(gateway, [74.5]), await parts(gateway, [75.5])
    assert [(3, 1), (2, 1)] == [(len(found), len(set(found))) for found in (before, since)]
    assert set(before).isdisjoint(since)


async def test_tenants_do_not_share_keys(gateway: Gateway) -> None:
    """Nor do points and events of one tenant."""
    key = uuid4().hex
    await gateway.post(points([1.0]), idempotency_key=key)

    events = await gateway.post(
        {"events": [{"event_id": uuid4().hex, "type": "click"}]}, path="/v1/events", idempotency_key=key
    )
    foreign = await gateway.post(points([2.0]), key="slow", idempotency_key=key)

    assert (202, 202) == (events.status_code, foreign.status_code)


async def test_a_frozen_redis_holds_nobody_up(stack: Stack, gateway: Gateway) -> None:
    """Batches with keys are let in, and the aggregator counts each once all the same; then it is asked again."""
    stack.servers["redis"].freeze()
    try:
        began_s = monotonic_s()
        answers = await asyncio.gather(*(gateway.post(points([1.0]), idempotency_key="k") for _ in range(20)))
        took_s = monotonic_s() - began_s
    finally:
        stack.servers["redis"].thaw()

    async def refused() -> bool:
        key = uuid4().hex
        both = [(await gateway.post(points([value]), idempotency_key=key)).status_code for value in (1, 2)]
        return both == [202, 422]

    assert ({202}, True) == ({one.status_code for one in answers}, took_s < 10)
    await until(refused, "two bodies under one key are told apart again")


async def test_a_batch_is_asked_for_by_its_key(
    pool: connections.Pool, mine: Reader, foreign: Reader, gateway: Gateway
) -> None:
    """Since when, in how many partitions and how many rows have counted, parts of large ones included."""
    name = "batch/17~?"
    own, second = id_of_key("points", mine.tenant_id, name.encode()), now_ms() // 1000
    unlike = own[:3] + bytes(13)
    ids = BatchIds()
    async with connections.connection(pool) as conn:
        for partition, fresh in (
            (0, Fresh([unlike, own, part_id(own, 1)], [1, 1, 1], [1000, 7, 5], [second, second, second + 9])),
            (2, Fresh([part_id(own, 0)], [1], [3], [second + 4])),
            (3, Fresh([unlike], [1], [1000], [second])),
        ):
            await ids.save(conn, {Key(gateway.topic, partition): (second + partition, fresh)})
        await ids.save(conn, {Key("another", 0): (second, Fresh([own], [1], [1000], [second]))})

    found, hidden, unknown, wrong = [
        await one.ask("/v1/batches/" + quote(each, safe=""))
        for one, each in ((mine, name), (foreign, name), (mine, "nothing"), (mine, "a b"))
    ]

    assert {
        "batch_id": name, "counted_since_ms": second * 1000, "partitions": 2, "rows": 15,
    } == found.json()  # fmt: skip
    assert [(404, "unknown_batch")] * 2 == [
        (one.status_code, one.json()["code"]) for one in (hidden, unknown)
    ]
    assert (400, "invalid_batch_id") == (wrong.status_code, wrong.json()["code"])
    assert 403 == (await mine.ask("/v1/batches/x", key="write")).status_code
