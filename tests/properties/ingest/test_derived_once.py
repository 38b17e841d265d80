"""Law of derived points: crashes, replays and zombies change nothing of what the aggregator counts."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from services.ingest.adapters.kafka import derived, partitions_of
from services.ingest.adapters.stream import EventFold
from services.ingest.domain.dedup import Id, day_of
from services.ingest.projections import registry
from services.ingest.service import EventWork, judge
from shared.stream.processor import Record
from shared.wire import envelope, events
from shared.wire.events import Event
from tests.support.memory import FakeMemory
from tests.support.uploads import Uploads

NOW_MS = 1_760_000_000_000
PROJECTIONS = (*registry.PROJECTIONS, Uploads())
PARTITION_OF = partitions_of(3)
TYPES = ("error", "upload", "a", "b", "upload")

logs = st.lists(st.lists(st.integers(0, 12), max_size=6), min_size=1, max_size=10)
"""Records with the numbers of their events."""

attempts = st.lists(st.tuples(st.integers(1, 10), st.booleans(), st.booleans()), max_size=12)
"""How many records an owner folds, whether a zombie wakes afterwards, whether the owner commits before it dies."""


def record(offset: int, numbers: list[int]) -> Record:
    """A record of these events."""
    batch = [
        Event(
            1,
            f"e{number}",
            TYPES[number % len(TYPES)],
            NOW_MS,
            properties=Raw(b'{"ms":%d,"files":2}' % number),
        )
        for number in numbers
    ]
    return Record(offset, NOW_MS, events.encode(events.EventBatch(NOW_MS, batch)))


def judged(records: list[Record], memory: dict[Id, int]) -> EventWork[Event]:
    """What an owner makes of records while these ids are in the table."""
    stream = EventFold()
    for one in records:
        stream.fold(one)
    work = stream.checkpoint().work
    asyncio.run(judge([work], FakeMemory(dict(memory))))
    return work


class Aggregator:
    """Takes a message only when its sequence is above the highest of its producer and partition."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], int] = {}
        self.counted: list[tuple[int, bytes]] = []

    def take(self, work: EventWork[Event]) -> None:
        """What an owner publishes of a checkpoint."""
        for partition, batch in derived(0, work, PROJECTIONS, PARTITION_OF):
            if batch.seq > self._seen.get((batch.producer, partition), -1):
                self._seen[batch.producer, partition] = batch.seq
                self.counted.append((partition, envelope.encode(batch)))


def commit(memory: dict[Id, int], work: EventWork[Event]) -> None:
    """What is new is in the table from now on."""
    for _, new in work.judged():
        memory.update({(one.tenant_id, one.event_id): day_of(NOW_MS) for one in new})


@given(logs, attempts)
def test_the_aggregator_counts_what_one_owner_would_have_published(
    log: list[list[int]], tries: list[tuple[int, bool, bool]]
) -> None:
    """Owners fold any stretch from the checkpoint, publish, and may die before they commit.

    Zombies sleep over that and publish when they wake, with ids that they looked up before it or after it.
    """
    records = [record(offset, numbers) for offset, numbers in enumerate(log)]
    expected, aggregator = Aggregator(), Aggregator()
    expected.take(judged(records, {}))
    memory: dict[Id, int] = {}
    start = 0
    for count, sleeps, commits in [*tries, (len(log), False, True)]:
        stretch = records[start : start + count]
        before = judged(records[start:], memory)
        work = judged(stretch, memory)
        aggregator.take(work)
        if commits:
            commit(memory, work)
        after = judged(records[start:], memory)
        if sleeps:
            aggregator.take(after)
            aggregator.take(before)
        start += len(stretch) if commits else 0

    assert sorted(expected.counted) == sorted(aggregator.counted)
