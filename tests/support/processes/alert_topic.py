"""What the topic of alerts holds, and keys without their repeats.

A reader of its own: the tests share it with no service.
"""

from itertools import groupby

import aiokafka

from shared.wire import alerts
from tests.support.processes.harness import PARTITIONS


async def published(kafka: str, topic: str) -> list[alerts.AlertCloudEvent]:
    """Every message of a topic, each partition in its order."""
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        parts = [aiokafka.TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends, found = await consumer.end_offsets(parts), list[alerts.AlertCloudEvent]()
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [alerts.decode(record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def without_repeats(delivered: dict[tuple[str, int], list[str]]) -> dict[tuple[str, int], list[str]]:
    """A key that is told again before anything else is, counts once."""
    return {alert: [key for key, _ in groupby(keys)] for alert, keys in delivered.items()}
