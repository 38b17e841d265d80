"""`tidegauge status`: how the services that read the log are, on one screen, and what is stopped.

Lag is in messages, ages in seconds. Invariant: it is sound exactly when no partition and no producer is stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from deploy.kafka.ends import ends
from deploy.partitions import stop_lines
from deploy.postgres import partitions as store
from deploy.postgres.dead_letters import opened
from deploy.postgres.partitions import Partition, StoppedProducer
from shared.errors import Unavailable
from shared.postgres.instants import at
from shared.runtime.clock import now_ms
from shared.wire.topics import TOPICS

_HEAD = ("service", "topic", "partitions", "owned", "stopped", "lag", "committed", "watermark")


@dataclass(frozen=True, slots=True)
class Status:
    """What was found."""

    topics: Mapping[str, str]
    """The topic that each service reads."""
    partitions: Sequence[Partition]
    producers: Sequence[StoppedProducer]
    ends: Mapping[tuple[str, int], int] | None
    """Where each partition ends; None: Kafka does not answer."""
    at: datetime

    @property
    def sound(self) -> bool:
        """Whether nothing is stopped."""
        return not self.producers and not any(each.stop for each in self.partitions)


async def run(postgres: str, kafka: str, prefix: str) -> Status:
    """Look at the tables, then at the log. Raises `Unavailable` when the tables cannot be read."""
    topics = {reader: prefix + topic.name for topic in TOPICS for reader in topic.readers}
    async with opened(postgres) as conn:
        found = [each for each in await store.listed(conn, None) if each.topic in topics.values()]
        producers = await store.stopped_producers(conn, list(topics.values()))
    try:
        logs = await ends(kafka, list(topics.values()))
    except Unavailable:
        logs = None
    return Status(topics, found, producers, logs, at(now_ms()))


def rendered(status: Status) -> Iterator[str]:
    """The screen, line by line."""
    lines = [_HEAD, *(_row(status, service, topic) for service, topic in status.topics.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    if status.ends is None:
        yield "Kafka does not answer: the lag is not known"
    for each in status.partitions:
        yield from stop_lines(each)
    for producer in status.producers:
        yield (
            f"stopped: producer {producer.producer} in {producer.topic} {producer.partition}: "
            f"{producer.bad} of the last 1,000 messages were bad ones of it"
        )
        yield "  mend or upgrade it; what it sent is in `tidegauge dead-letters list --code producer_stopped`"
    yield "nothing is stopped" if status.sound else "something is stopped: see above"


def _row(status: Status, service: str, topic: str) -> tuple[str, ...]:
    mine = [each for each in status.partitions if each.topic == topic]
    counts = len(mine), sum(bool(each.owner) for each in mine), sum(each.stop is not None for each in mine)
    committed = [each.updated_at for each in mine if each.updated_at]
    watermarks = [each.watermark for each in mine if each.watermark]
    ages = (_age(status.at, min(instants, default=None)) for instants in (committed, watermarks))
    return service, topic, *map(str, counts), _lag(status, topic, mine), *ages


def _lag(status: Status, topic: str, mine: Sequence[Partition]) -> str:
    if status.ends is None:
        return "?"
    at = {each.partition: (each.next_offset or 0) - each.offset_base for each in mine}
    return str(
        sum(max(0, end - at.get(number, 0)) for (name, number), end in status.ends.items() if name == topic)
    )


def _age(now: datetime, instant: datetime | None) -> str:
    return "none" if instant is None else f"{max(0.0, (now - instant).total_seconds()):.0f} s ago"
