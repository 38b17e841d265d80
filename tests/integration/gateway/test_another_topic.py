"""The intake does not write to a topic that is not the one of its readers, and says so.

Source: faults.md, a topic altered under traffic: gateways that started later routed by another number.
"""

from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from deploy.kafka import accepted_logs
from deploy.local.stack import Stack
from shared.stream.log.check import NOWHERE
from shared.stream.log.reader import KafkaLog
from shared.stream.processor import Key
from tests.support.http.gateway import PARTITIONS, Gateway, points, started, status
from tests.support.processes.topics import widened
from tests.support.wait import until

pytestmark = pytest.mark.servers

_CHECKPOINT = """
INSERT INTO partition_state
    (topic, partition, epoch, owner, next_offset, seen, cluster_id, topic_id, partitions, routed_by)
VALUES ($1, 0, 1, 'reader', 0, '', $2, $3, $4, $4)
"""


@pytest.fixture
def alone(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A ready gateway whose topics nobody else uses."""
    servers = (stack.kafka, stack.postgres, stack.redis)
    made = started(servers, f"gw-{uuid4().hex[:8]}.", tmp_path_factory.mktemp("gateway"))
    yield made
    made.remove()


async def test_a_widened_topic_is_not_written_to_until_it_is_accepted(stack: Stack, alone: Gateway) -> None:
    """503 and not ready, with the command; after it, rows are routed by as many partitions as before."""
    log = KafkaLog(stack.kafka, "test")
    conn = await asyncpg.connect(stack.postgres)
    try:
        cluster_id, topic_id, partitions, _ = (await log.topics([alone.topic]))[alone.topic]
        await conn.execute(_CHECKPOINT, alone.topic, cluster_id, topic_id, partitions)
        await widened(stack.kafka, alone.topic, 2 * PARTITIONS)
        await until(lambda: has_status(alone, 503), "the intake is not ready", 40)
        refused = await alone.post(points([1]))
        await accepted_logs.accept(stack.postgres, stack.kafka, alone.topic)
        await until(lambda: has_status(alone, 200), "the intake is ready again", 40)
        accepted = await alone.post(points(range(2, 50)))
        added = await log.extents({Key(alone.topic, PARTITIONS + at): NOWHERE for at in range(PARTITIONS)})
    finally:
        await conn.execute("DELETE FROM partition_state WHERE topic = $1", alone.topic)
        await conn.close()
        await log.close()

    assert (503, 202) == (refused.status_code, accepted.status_code)
    assert f"has {2 * PARTITIONS} partitions, and its checkpoint is of {PARTITIONS}" in refused.text
    assert f"`tidegauge topics accept {alone.topic}`" in refused.text
    assert [0] * PARTITIONS == [extent.end for extent in added.values()]


async def has_status(gateway: Gateway, code: int) -> bool:
    """Whether the readiness of the intake is so."""
    return await status(f"{gateway.intake.metrics_url}/health/ready") == code
