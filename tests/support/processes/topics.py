"""What an administrator does to topics, rightly or wrongly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions


async def deleted(kafka: str, topic: str) -> None:
    """Delete a topic, so that it can be made again."""
    async with _admin(kafka) as admin:
        await admin.delete_topics([topic])


async def widened(kafka: str, topic: str, partitions: int) -> None:
    """Give a topic so many partitions."""
    async with _admin(kafka) as admin:
        await admin.create_partitions({topic: NewPartitions(partitions)})


@asynccontextmanager
async def _admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
