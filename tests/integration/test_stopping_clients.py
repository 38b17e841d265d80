"""A consumer of Kafka is stopped whatever its fetches do, and whoever stops it goes on."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer

from deploy.local.stack import Stack
from shared.runtime.kafka import stop

pytestmark = pytest.mark.servers


@pytest.fixture
async def consumer(stack: Stack) -> AIOKafkaConsumer:
    """One that is started."""
    made = AIOKafkaConsumer(bootstrap_servers=stack.kafka, enable_auto_commit=False)
    await made.start()
    return made


async def test_a_fetch_that_pauses_cancels_nobody(consumer: AIOKafkaConsumer) -> None:
    """As it does when its connection broke; the connections are closed."""
    pauses = [asyncio.create_task(asyncio.sleep(60)) for _ in range(3)]
    consumer._fetcher._pending_tasks.update(pauses)
    await asyncio.sleep(0)

    await stop(consumer)

    assert [True] * 3 == [pause.cancelled() for pause in pauses]
    assert {} == consumer._client._conns


async def test_whoever_is_cancelled_while_stopping_ends(consumer: AIOKafkaConsumer) -> None:
    """It is not taken for the client's own."""
    stopping = asyncio.create_task(stop(consumer))
    await asyncio.sleep(0)
    stopping.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stopping
