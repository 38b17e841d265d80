"""Another log on real servers: it is recognised, nothing of it is counted, and one command leads back to exact tables.

Sources: faults.md, a topic altered under traffic, and one deleted, made again and refilled beyond the checkpoint.
"""

import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka.errors import NodeNotReadyError

from deploy.kafka import accepted_logs
from deploy.local.stack import Stack
from shared.errors import Unavailable
from shared.postgres import connections
from shared.runtime.kafka import Message, Sender, TopicChanged
from shared.runtime.metadata import TopicMetadata
from shared.stream.log.expected import ExpectedTopics
from shared.stream.log.identity import Extent, LastRecord
from shared.stream.log.reader import KafkaLog
from shared.stream.processor import Key
from tests.support.processes.harness import PARTITIONS, Harness, deleted_records, under_load

pytestmark = pytest.mark.servers


@pytest.fixture(params=["aiokafka"])
def runtime(request: pytest.FixtureRequest) -> str:
    """A runtime of the pump."""
    found: str = request.param
    return found


@pytest_asyncio.fixture
async def harness(runtime: str, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    made = Harness(
        stack.kafka, stack.postgres, stack.redis, runtime, f"log-{uuid4().hex[:8]}.", tenant_id, tmp_path
    )
    await made.create()
    yield made
    await made.remove()


async def accept(harness: Harness) -> None:
    """What `tidegauge topics accept` does."""
    done = await accepted_logs.accept(harness.postgres, harness.kafka, harness.topic)
    assert {new.partition for new in done} >= set(range(PARTITIONS))


@pytest.mark.parametrize("runtime", ["aiokafka", "faust"], indirect=True)
async def test_a_topic_made_again_under_a_worker_is_not_read_on(harness: Harness) -> None:
    """It is refilled beyond the checkpoints at once; the tables stay as they were, and then hold both logs."""
    async with harness.load(1) as load:
        worker = await harness.worker()
        await load.rounds(3)
        await harness.exact(load)
        counted = await harness.counted()
        await harness.remake()
        await load.reconnect()
        await load.rounds(12)
        await harness.stopped("the topic was deleted and made again")
        assert counted == await harness.counted()
        await accept(harness)
        await harness.exact(load)
    assert [] == worker.exits


async def test_partitions_that_are_added_under_traffic_stop_the_topic(harness: Harness) -> None:
    """After it was accepted, everything goes on with the number of partitions that state is divided by."""
    async with harness.load(1) as load:
        worker = await harness.worker()
        await load.rounds(3)
        await harness.caught_up()
        async with under_load(load):
            await harness.widen(2 * PARTITIONS)
            await harness.stopped(f"has {2 * PARTITIONS} partitions, and its checkpoint is of {PARTITIONS}")
        await accept(harness)
        await harness.exact(load)
    assert [] == worker.exits


async def test_another_cluster_and_a_shorter_log_are_recognised_by_the_next_worker(harness: Harness) -> None:
    """A checkpoint of elsewhere, one beyond the end, and one whose last record is another: each says what differs."""
    async with harness.load(1) as load:
        first = await harness.worker()
        await load.rounds(3)
        await harness.exact(load)
        first.signal(signal.SIGTERM)
        await first.ended(15)
        await harness.pretend(0, "cluster_id = 'elsewhere'")
        await harness.pretend(1, "next_offset = next_offset + 50, last_offset = last_offset + 50")
        await harness.pretend(2, "last_checksum = '\\xff'")
        await harness.worker()
        await harness.stopped("of cluster elsewhere", [0])
        await harness.stopped("before the checkpoint", [1])
        await harness.stopped("is not the one that was folded", [2])
        await accepted_logs.accept(harness.postgres, harness.kafka, harness.topic)
        await load.rounds(3)
        await harness.exact(load)


async def test_a_question_that_fails_at_once_is_an_outage(harness: Harness) -> None:
    """As when a broker that comes up names none yet; whoever asks is not cancelled by it, and asks again."""
    log = KafkaLog(harness.kafka, "test")
    try:
        with pytest.raises(Unavailable):
            async with log._connected():
                raise NodeNotReadyError("no broker is known")
        found = await log.topics([harness.topic])
    finally:
        await log.close()

    assert {harness.topic} == found.keys()


async def test_the_log_is_read_beside_the_consumer(harness: Harness) -> None:
    """Ends and single records of many partitions in one go; what retention took is not handed out."""
    async with harness.load(1) as load:
        await load.finish()
        await load.finish()
    await harness.delete_records(before_offset=1)
    log = KafkaLog(harness.kafka, "test")
    keys = [Key(harness.topic, partition) for partition in range(PARTITIONS)]
    try:
        there = await log.extents(dict.fromkeys(keys, 1))
        gone = await log.extents(dict.fromkeys(keys, 0))
        found = await log.topics([harness.topic, "no-such-topic"])
        times = {key: at.record.appended_at_ms - 1 for key, at in there.items() if at.record}
        later = await log.first_after(times)
    finally:
        await log.close()

    records = {key: at.record for key, at in there.items()}
    assert [(1, 2)] * PARTITIONS == [at[:2] for at in there.values()]
    assert {key: Extent(1, 2, None) for key in keys} == gone
    assert [1] * PARTITIONS == [record.offset for record in records.values() if record]
    assert PARTITIONS == len({record.checksum for record in records.values() if record})
    assert dict.fromkeys(keys, 1) == later
    assert [harness.topic] == list(found)
    assert (PARTITIONS, PARTITIONS) == (
        found[harness.topic].partitions,
        len(found[harness.topic].leader_epochs),
    )
    assert all(isinstance(record, LastRecord) for record in records.values())


async def test_a_sender_writes_to_no_topic_but_the_one_that_its_readers_know(harness: Harness) -> None:
    """Nothing was read: any topic will do. Then another id, and a partition that there is not, are `Unavailable`."""
    pool = await connections.pool(harness.postgres, 2)
    sender = Sender(harness.kafka, "test", check=ExpectedTopics(pool))
    anew = Sender(harness.kafka, "test", check=ExpectedTopics(pool))
    try:
        await sender.send([Message(harness.topic, 0, b"x")])
        assert PARTITIONS == await sender.partitions(harness.topic)
        with pytest.raises(Unavailable, match=f"has no partition {PARTITIONS}"):
            await sender.send([Message(harness.topic, PARTITIONS, b"x")])
        await harness.sql(_CHECKPOINT, harness.topic, (await found(harness)).cluster_id, uuid4(), PARTITIONS)
        with pytest.raises(TopicChanged, match="deleted and made again"):
            await anew.send([Message(harness.topic, 0, b"x")])
    finally:
        await harness.sql("DELETE FROM partition_state WHERE topic = $1", harness.topic)
        await sender.close()
        await anew.close()
        await pool.close()

    assert 1 == sum((await harness.ends()).values())


_CHECKPOINT = """
INSERT INTO partition_state
    (topic, partition, epoch, owner, next_offset, seen, cluster_id, topic_id, partitions, routed_by)
VALUES ($1, 0, 1, 'reader', 0, '', $2, $3, $4, $4)
"""


async def found(harness: Harness) -> TopicMetadata:
    """What the broker says of the topic."""
    log = KafkaLog(harness.kafka, "test")
    try:
        return (await log.topics([harness.topic]))[harness.topic]
    finally:
        await log.close()


@pytest.mark.parametrize("runtime", ["aiokafka", "faust"], indirect=True)
async def test_records_that_are_gone_under_a_worker_are_lost_without_a_restart(harness: Harness) -> None:
    """Kafka does not have the offset that comes next: each partition says so once, and goes on where records are."""
    async with harness.load(1) as load:
        worker = await harness.worker()
        await load.rounds(2)
        await harness.caught_up()
        worker.signal(signal.SIGSTOP)
        await load.rounds(5)
        ends = await harness.ends()
        await deleted_records(harness.kafka, harness.topic, {part: end - 1 for part, end in ends.items()})
        worker.signal(signal.SIGCONT)
        await load.finish()
        await harness.caught_up()
    codes = await harness.sql("SELECT code FROM dead_letter WHERE topic = $1", harness.topic)

    assert ["retention_gap"] * PARTITIONS == [row["code"] for row in codes]
    assert [] == worker.exits
