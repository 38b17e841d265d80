"""The ledger closes, whatever is sent, refused, repeated, lost with a gateway or folded twice; nothing is forgotten."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.adapters import stream as aggregator
from services.aggregator.domain.repeats import Repeats
from services.gateway.intake.columns.interner import Interner
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch
from services.ingest.adapters import stream as ingest
from services.ingest.service import judge, ledger_entries
from shared.errors import Rejected
from shared.ledger.accounts import Account
from shared.ledger.entries import Entry
from shared.model.point import Points
from shared.stream.dead_letters import dead_lettered_in
from shared.stream.processor import Cut, DeadLetter, Key, Record, Stored
from shared.wire.events import Event
from tests.support.memory import FakeMemory

NOW = 1_760_000_000_000
PARTITIONS = 3
TENANTS = (1, 300)

requests = st.tuples(
    st.sampled_from(TENANTS),
    st.lists(st.integers(0, 7), max_size=6),
    st.dictionaries(st.sampled_from(["ts_too_old", "invalid_value"]), st.integers(1, 3), max_size=2),
)
flushes = st.lists(st.lists(requests, max_size=4), max_size=6)
"""What several gateways take in, flush by flush."""


@dataclass
class Log:
    """What reached the log, and what was said to clients of it."""

    lost: int
    """The last flush reaches the log but for so many of its messages: the gateway is killed."""
    repeated: set[int]
    """Places of messages that the producer sends twice."""
    spoiled: set[int]
    """Places of messages that no consumer can use."""
    records: dict[int, list[Record]] = field(default_factory=lambda: {at: [] for at in range(PARTITIONS)})
    sent: Counter[int] = field(default_factory=Counter)
    _place: int = 0

    def append(self, messages: list[tuple[int, bytes]], *, last: bool) -> None:
        """Append the messages of a flush."""
        kept = len(messages) - self.lost if last else len(messages)
        for partition, value in messages[: max(0, kept)]:
            self._place += 1
            # A field that every message needs has another name.
            broken = value.replace(b"\xa6series", b"\xa6Xeries", 1).replace(b'"events":', b'"Xvents":', 1)
            whole = broken if self._place in self.spoiled else value
            for _ in range(2 if self._place in self.repeated else 1):
                records = self.records[partition]
                records.append(Record(len(records), NOW + 5, whole))

    def count(self, flush: list[tuple[int, list[int], dict[str, int]]]) -> None:
        """A flush that was acknowledged."""
        for tenant_id, rows, refused in flush:
            self.sent[tenant_id] += len(rows) + sum(refused.values())


logs = st.builds(
    Log, st.integers(0, 2), st.sets(st.integers(1, 9), max_size=3), st.sets(st.integers(1, 9), max_size=2)
)


def checked(log: Log, counts: Counter[Entry]) -> None:
    """Every minute of every tenant closes, and no acknowledged row is missing."""
    accounts: dict[tuple[int, int], Counter[str]] = {}
    for entry, number in counts.items():
        accounts.setdefault(entry[:2], Counter())[entry.outcome] += number
    received = Counter(dict.fromkeys(TENANTS, 0))
    for (_, tenant_id), outcomes in accounts.items():
        received[tenant_id] += outcomes["received"]

    assert {} == {key: Account(found) for key, found in accounts.items() if Account(found).difference}
    if not log.lost and not log.repeated:
        assert +log.sent == +received
    assert all(received[tenant_id] >= log.sent[tenant_id] for tenant_id in log.sent)


@given(flushes, logs, st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_points_are_accounted_for(
    sent: list[list[tuple[int, list[int], dict[str, int]]]], log: Log, commits: set[int], crashes: set[int]
) -> None:
    """From requests at the gateway through the log to the commits of the aggregator."""
    interner = Interner(10_000)
    numbers = {tenant_id: [_number(interner, tenant_id, at) for at in range(8)] for tenant_id in TENANTS}
    batches = PointBatches(PARTITIONS, 0.0)
    for at, flush in enumerate(sent):
        chunks = [
            PointIntakeBatch(
                interner,
                _points(numbers[tenant_id], rows),
                NOW + at * 61_000,
                Admitted(tenant_id, len(rows), refused),
            )
            for tenant_id, rows, refused in flush
        ]
        messages, _ = batches.messages(chunks, 0.0, NOW)
        last = at == len(sent) - 1
        log.append(messages, last=last)
        if not (last and log.lost):
            log.count(flush)

    counts: Counter[Entry] = Counter()
    for partition, records in log.records.items():
        counts.update(_folded(Key("points", partition), records, commits, crashes))

    checked(log, counts)


def _folded(key: Key, records: list[Record], commits: set[int], crashes: set[int]) -> Counter[Entry]:
    """What an owner and its successors commit of a partition."""
    counts: Counter[Entry] = Counter()
    stored, dead, at = Stored(1, 0, None, b"", None), list[DeadLetter](), 0
    fold = aggregator.PointFold(key, stored, {}, Repeats())
    crashes = set(crashes)
    while at < len(records) or dead or at > stored.next_offset:
        if at in crashes:
            crashes.remove(at)
            fold, dead, at = aggregator.PointFold(key, stored, {}, Repeats()), [], stored.next_offset
        elif at in commits or at == len(records):
            cut = Cut(key, 1, stored.next_offset, at, fold.checkpoint(), dead)
            counts.update(cut.checkpoint.work.ledger)
            counts.update(dead_lettered_in(cut))
            state = cut.checkpoint
            stored, dead = Stored(1, at, state.watermark_ms, state.seen, state.snapshot), []
            commits = commits - {at}
        else:
            try:
                fold.fold(records[at])
            except Rejected as refused:
                dead.append(DeadLetter(at, refused.code, "", records[at].value, records[at].appended_at_ms))
            at += 1
    return counts


def _points(numbers: list[int], rows: list[int]) -> Points:
    slot = np.array([numbers[row] for row in rows], np.int32)
    return Points(slot, np.full(len(rows), NOW), np.ones(len(rows)))


def _number(interner: Interner, tenant_id: int, at: int) -> int:
    known = interner.spellings(tenant_id, NOW)
    return interner.add(known, ("gauge", ""), (f"m{at}", b"{}"), dict)


@given(flushes, logs, st.integers(1, 5))
async def test_events_are_accounted_for(
    sent: list[list[tuple[int, list[int], dict[str, int]]]], log: Log, every: int
) -> None:
    """From requests at the gateway through the log to the commits of ingest; an id that comes again is a duplicate."""
    batches = EventBatches(PARTITIONS)
    for at, flush in enumerate(sent):
        chunks = [
            EventIntakeBatch(
                [Event(tenant_id, f"e{row}", "click", NOW) for row in rows],
                NOW + at * 61_000,
                Admitted(tenant_id, len(rows), refused),
            )
            for tenant_id, rows, refused in flush
        ]
        messages, _ = batches.messages(chunks, 0.0, NOW)
        last = at == len(sent) - 1
        log.append(messages, last=last)
        if not (last and log.lost):
            log.count(flush)

    memory, counts = FakeMemory({}), Counter[Entry]()
    for partition, records in log.records.items():
        for begin in range(0, len(records), every):
            counts.update(await _judged(Key("events", partition), records[begin : begin + every], memory))

    checked(log, counts)
    stored = sum(number for entry, number in counts.items() if entry.outcome == "counted")
    assert len(memory.days) == stored


async def _judged(key: Key, records: list[Record], memory: FakeMemory) -> Counter[Entry]:
    """What one commit of ingest adds."""
    stream, dead = ingest.EventFold(), []
    for record in records:
        try:
            stream.fold(record)
        except Rejected as refused:
            dead.append(DeadLetter(record.offset, refused.code, "", record.value, record.appended_at_ms))
    checkpoint = stream.checkpoint()
    await judge([checkpoint.work], memory)
    cut = Cut(key, 1, records[0].offset, records[-1].offset + 1, checkpoint, dead)
    new = [one for _, found in checkpoint.work.judged() for one in found]
    memory.days.update({(one.tenant_id, one.event_id): NOW - NOW % 86_400_000 for one in new})
    counts = ledger_entries(checkpoint.work, ())
    counts.update(dead_lettered_in(cut))
    return counts
