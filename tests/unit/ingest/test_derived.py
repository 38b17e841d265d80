"""Derived points: which there are, where they go, and that a message depends on its record alone."""

from collections import Counter

import pytest

from services.ingest.adapters.kafka import derived, partitions_of
from services.ingest.adapters.stream import EventFold
from services.ingest.projections.events import series_of
from services.ingest.projections.registry import PROJECTIONS
from services.ingest.service import EventWork, judge
from shared.errors import Rejected
from shared.model.series import Series
from shared.stream.processor import Record
from shared.wire import envelope, events
from shared.wire.envelope import MAX_ROWS
from shared.wire.events import Event
from shared.wire.series import checked, partition_of, series_id, unpack
from shared.wire.topics import MAX_MESSAGE_BYTES
from tests.support.memory import FakeMemory

NOW_MS = 1_760_000_000_000
PARTITIONS = 12

Row = tuple[str, tuple[tuple[str, str], ...], int, float]


def event(event_id: str, type_: str = "click", *, ago_ms: int = 0, tenant_id: int = 1) -> Event:
    """An event of this id and type."""
    return Event(tenant_id, event_id, type_, NOW_MS - ago_ms)


def record(offset: int, *batch: Event) -> Record:
    """A record of the topic of events."""
    value = events.encode(events.EventBatch(NOW_MS + offset, list(batch)))
    return Record(offset, NOW_MS + offset + 5, value)


async def taken(*records: Record, memory: FakeMemory | None = None) -> EventWork[Event]:
    """The judged checkpoint of a partition that folded these records."""
    stream = EventFold()
    for one in records:
        stream.fold(one)
    work = stream.checkpoint().work
    await judge([work], memory or FakeMemory({}))
    return work


def sent(*works: EventWork[Event]) -> list[tuple[int, bytes]]:
    """Partition and bytes of every message."""
    owner = partitions_of(PARTITIONS)
    return [
        (p, envelope.encode(batch)) for work in works for p, batch in derived(3, work, PROJECTIONS, owner)
    ]


def rows(messages: list[tuple[int, bytes]]) -> Counter[Row]:
    """Metric, labels, time and value of each point, once for each time it was sent."""
    found: Counter[Row] = Counter()
    for partition, value in messages:
        batch = envelope.decode(value, NOW_MS)
        series = [checked(packed) for packed in batch.series]
        assert {partition} == {partition_of(series_id(packed), PARTITIONS) for packed in batch.series}
        for slot, ts_ms, point in zip(
            batch.points.slot, batch.points.ts_ms.tolist(), batch.points.value.tolist(), strict=True
        ):
            found[series[slot].metric, series[slot].labels, ts_ms, point] += 1
    return found


def test_every_event_is_counted_and_errors_twice() -> None:
    """By type, and errors in a series of their own."""
    counted = Series(7, "events.count", "delta", "", (("type", "click"),))
    errors = Series(7, "events.count", "delta", "", (("type", "error"),))

    assert (counted,) == series_of(7, "click")
    assert (errors, Series(7, "errors.count", "delta", "", ())) == series_of(7, "error")


async def test_a_point_has_the_time_of_its_event() -> None:
    """And stands once in the message of its record; repeats derive nothing."""
    work = await taken(
        record(7, event("a", ago_ms=90), event("b", "error", ago_ms=80), event("a")),
        record(8, event("b", "error"), event("c", ago_ms=70)),
    )

    assert {
        ("events.count", (("type", "click"),), NOW_MS - 90, 1.0): 1,
        ("events.count", (("type", "error"),), NOW_MS - 80, 1.0): 1,
        ("errors.count", (), NOW_MS - 80, 1.0): 1,
        ("events.count", (("type", "click"),), NOW_MS - 70, 1.0): 1,
    } == rows(sent(work))


async def test_a_message_is_the_same_however_the_log_was_cut() -> None:
    """One checkpoint or many, and with the ids of those before known from the table: equal bytes in equal order."""
    log = [
        record(offset, *(event(f"e{(offset * 7 + i) % 40}", f"t{i}") for i in range(9)))
        for offset in range(20)
    ]
    whole = sent(await taken(*log))
    memory, parts = FakeMemory({}), []
    for begin in range(0, 20, 3):
        work = await taken(*log[begin : begin + 3], memory=memory)
        parts += sent(work)
        stored = [one for _, new in work.judged() for one in new]
        memory.days.update({(one.tenant_id, one.event_id): NOW_MS - NOW_MS % 86_400_000 for one in stored})

    assert whole == parts
    assert 40 == rows(whole).total()


async def test_the_sequence_is_the_offset() -> None:
    """Each producer and partition sees it rise, one message a record; the receive time is the record's append time."""
    work = await taken(*(record(o, *(event(f"{o}.{i}", f"t{i}") for i in range(30))) for o in (5, 6, 9)))
    batches = [(p, envelope.decode(value, NOW_MS)) for p, value in sent(work)]

    assert {"ingest:3"} == {batch.producer for _, batch in batches}
    for partition in range(PARTITIONS):
        mine = [batch for p, batch in batches if p == partition]
        assert [5, 6, 9] == [batch.seq for batch in mine]
        assert [NOW_MS + 10, NOW_MS + 11, NOW_MS + 14] == [batch.received_at_ms for batch in mine]


async def test_the_largest_batch_derives_messages_that_can_be_sent() -> None:
    """As many events as one may hold, all errors, or all of types of their own; one more is refused."""
    full = events.MAX_EVENTS
    errors = await taken(record(1, *(event(f"{i}", "error") for i in range(full))))
    types = await taken(record(1, *(event(f"{i}", f"{'t' * 58}{i:06}") for i in range(full))))
    rows_sent = [len(envelope.decode(value, NOW_MS).points) for _, value in sent(errors)]

    assert full * 2 == sum(rows_sent)
    assert max(rows_sent) <= MAX_ROWS
    assert max(len(value) for _, value in sent(types)) < MAX_MESSAGE_BYTES
    with pytest.raises(Rejected, match="bad_events"):
        EventFold().fold(record(1, *(event(f"{i}") for i in range(full + 1))))


async def test_tenants_have_series_of_their_own() -> None:
    """Two events that differ in nothing but their tenant."""
    work = await taken(record(1, event("a"), event("a", tenant_id=2)))
    packed = [one for _, value in sent(work) for one in envelope.decode(value, NOW_MS).series]

    assert {1, 2} == {unpack(one).tenant_id for one in packed}


def test_a_record_that_cannot_be_decoded_leaves_no_trace() -> None:
    """It is refused with a code, and its neighbours wait on."""
    stream = EventFold()
    stream.fold(record(1, event("a")))
    before = stream.waiting_bytes
    with pytest.raises(Rejected):
        stream.fold(Record(2, NOW_MS, b"\xc1"))

    assert (before, True) == (stream.waiting_bytes, stream.urgent)
    assert [1] == [one.offset for one in stream.checkpoint().work.arrivals]
    assert (0, False) == (stream.waiting_bytes, stream.urgent)
