"""A producer whose messages are bad, on both runtimes and real servers: it stops by itself, and nothing is lost."""

import random
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Message, Sender
from shared.wire import envelope
from shared.wire.versions import NEW
from tests.support.processes.harness import Harness

BROKEN = 2
"""The partition that gets bad messages."""

BAD, GOOD = 140, 7
"""Bad messages, more than stop their producer early, and good ones of it behind them."""


@pytest_asyncio.fixture(params=["aiokafka", "faust"])
async def harness(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own on each runtime."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    prefix = f"t{tenant_id}."
    made = Harness(stack.kafka, stack.postgres, stack.redis, request.param, prefix, tenant_id, tmp_path)
    await made.create()
    yield made
    await made.remove()


async def test_a_bad_producer_is_stopped_and_no_partition_is(harness: Harness) -> None:
    """All points of others count, also after a restart; what the producer sent behind its bad messages is replayed."""
    async with harness.load(1) as load:
        await load.rounds(5)
        await publish(harness, [bad(seq) for seq in range(BAD)])
        await load.rounds(5)
        first = await harness.worker()
        await harness.caught_up()
        first.signal(signal.SIGKILL)
        second = await harness.worker()
        await harness.owned_by(second)
        await publish(harness, [tick(BAD + number) for number in range(GOOD)])
        await harness.exact(load)

        assert {("unsupported_version", 100), ("producer_stopped", BAD - 100 + GOOD)} == await codes(harness)
        assert not await harness.sql("SELECT FROM breaker WHERE topic = $1", harness.topic)
        assert "broken-1 is stopped: 100 of the last" in second.log.read_text() + first.log.read_text()
        code, text = await typed(harness, "status")
        assert (1, True) == (code, f"stopped: producer broken-1 in {harness.topic} {BROKEN}: 100 of" in text)
        assert f"replayed {GOOD}\n" == await replayed(harness)
        await harness.exact(load)
    assert BAD + GOOD == len(await harness.dead_letters())


def bad(seq: int) -> bytes:
    """A message of a version from the future."""
    return msgspec.msgpack.encode(msgspec.msgpack.decode(tick(seq)) | {"v": 9})


def tick(seq: int) -> bytes:
    """A message that can be read."""
    return envelope.tick("broken-1", seq, now_ms(), version=NEW)


async def publish(harness: Harness, values: list[bytes]) -> None:
    """Put messages into the partition."""
    sender = Sender(harness.kafka, "test")
    await sender.send([Message(harness.topic, BROKEN, value) for value in values])
    await sender.close()


async def codes(harness: Harness) -> set[tuple[str, int]]:
    """How many dead letters there are by code; each names its producer."""
    rows = await harness.sql("SELECT code, producer FROM dead_letter WHERE topic = $1", harness.topic)
    assert {"broken-1"} == {row["producer"] for row in rows}
    found = [row["code"] for row in rows]
    return {(code, found.count(code)) for code in found}


async def replayed(harness: Harness) -> str:
    """What the command says that publishes the good ones again."""
    rows = await harness.sql(
        'SELECT partition, "offset" FROM dead_letter WHERE topic = $1 AND code = $2 ORDER BY 2 DESC LIMIT $3',
        harness.topic, "producer_stopped", GOOD,
    )  # fmt: skip
    ids = [f"{harness.topic}/{row['partition']}/{row['offset']}" for row in rows]
    return (await typed(harness, "dead-letters", "replay", *ids))[1]


async def typed(harness: Harness, *words: str) -> tuple[int, str]:
    """Exit code and all that the command prints."""
    tidegauge = str(Path(sys.executable).with_name("tidegauge"))
    process = await create_subprocess_exec(tidegauge, *words, env=harness.environ(), stdout=PIPE)
    text, _ = await process.communicate()
    return process.returncode or 0, text.decode()
