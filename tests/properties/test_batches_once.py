"""A client's batch counts once, however often it is sent, to whichever gateway, beside whatever, through any crash."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.remembered import words_of
from services.aggregator.domain.repeats import Fresh, Repeats
from services.gateway.intake.columns.interner import Interner
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch
from shared.model.point import Points
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope

NOW = 1_760_000_004_000
PARTITIONS = 2
GATEWAYS = 3
SERIES = 12

INTERNER = Interner(1_000)
NUMBERS = [
    INTERNER.add(INTERNER.spellings(1, NOW), ("gauge", ""), (f"m{at}", b"{}"), dict) for at in range(SERIES)
]

Attempt = tuple[int, int, bool]
"""Gateway, batch, and whether it is flushed at once, or goes with the next."""

batches_of = st.lists(st.lists(st.integers(0, SERIES - 1), min_size=1, max_size=8), min_size=1, max_size=6)
attempts_of = st.lists(
    st.tuples(st.integers(0, GATEWAYS - 1), st.integers(0, 5), st.booleans()), min_size=1, max_size=25
)

Sums = Counter[bytes]
"""By series, the sum of what was counted."""


def request(number: int, slots: list[int], body: int) -> PointIntakeBatch:
    """A batch whose points say which it is, so that a sum tells what is in it."""
    points = Points(
        np.array([NUMBERS[slot] for slot in slots], np.int32),
        np.full(len(slots), NOW),
        np.full(len(slots), value_of(number, body)),
    )
    identity = Identity(number.to_bytes(8) * 2, body, keyed=True)
    return PointIntakeBatch(INTERNER, points, NOW, Admitted(1, len(slots), {}), identity=identity)


def value_of(number: int, body: int) -> float:
    """One bit field for each batch and body, wide enough for the rows of both."""
    return float(1 << (8 * number + 4 * body))


@dataclass
class Owners:
    """Whoever owns a partition, one after another, and the tables."""

    key: Key
    stored: Stored = field(default_factory=lambda: Stored(1, 0, None, b"", None))
    ids: list[Fresh] = field(default_factory=list)
    sums: Sums = field(default_factory=Counter)

    def owner(self) -> PointFold:
        """The next one, who starts from the tables."""
        memory = Repeats(newest=3)
        ids = b"".join(one for fresh in self.ids for one in fresh.ids)
        body = [body for fresh in self.ids for body in fresh.body]
        received_s = [second for fresh in self.ids for second in fresh.received_s]
        memory.restore(words_of(ids), np.array(body, np.uint64), np.array(received_s, np.int64))
        return PointFold(self.key, self.stored, {}, memory)

    def read(self, records: list[Record], commits: set[int], crashes: set[int]) -> None:
        """The log to its end, committed before some records, crashed before others."""
        owner, at, left = self.owner(), 0, set(crashes)
        while at < len(records):
            if at in left:
                left.remove(at)
                owner, at = self.owner(), self.stored.next_offset
                continue
            if at in commits and at > self.stored.next_offset:
                self.commit(owner, at)
            owner.fold(records[at])
            at += 1
        self.commit(owner, at)

    def commit(self, owner: PointFold, at: int) -> None:
        """Write what the owner has; the windows never close, so that they hold everything."""
        found = owner.checkpoint()
        self.stored = Stored(1, at, found.watermark_ms, found.seen, found.snapshot)
        self.ids.append(found.work.batches)
        rows = found.work.open
        if rows is not None:
            self.sums = Counter(
                {
                    found.work.series[slot]: int(total)
                    for slot, total in zip(rows.slot.tolist(), rows.sum.tolist(), strict=True)
                }
            )


def written(attempts: list[Attempt], batches: list[PointIntakeBatch]) -> dict[int, list[Record]]:
    """The log of each partition after these attempts."""
    gateways = [PointBatches(PARTITIONS, 0.0) for _ in range(GATEWAYS)]
    waiting: list[list[PointIntakeBatch]] = [[] for _ in gateways]
    log: dict[int, list[Record]] = {partition: [] for partition in range(PARTITIONS)}
    last = [(gateway, -1, True) for gateway in range(GATEWAYS)]
    for gateway, number, flushed in [*attempts, *last]:
        if number >= 0:
            waiting[gateway].append(batches[number % len(batches)])
        if flushed:
            for partition, value in gateways[gateway].messages(waiting[gateway], 0.0, NOW)[0]:
                log[partition].append(Record(len(log[partition]), NOW, value))
            waiting[gateway] = []
    return log


def counted(log: dict[int, list[Record]], commits: set[int], crashes: set[int]) -> list[Sums]:
    """What is in the tables of each partition in the end."""
    owners = [Owners(Key("points", partition)) for partition in log]
    for one, records in zip(owners, log.values(), strict=True):
        one.read(records, commits, crashes)
    return [one.sums for one in owners]


@given(batches_of, attempts_of, st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_each_batch_counts_once(
    batches: list[list[int]], attempts: list[Attempt], commits: set[int], crashes: set[int]
) -> None:
    """Every row of every batch that was sent at all, and none of its repeats."""
    requests = [request(number, slots, 0) for number, slots in enumerate(batches)]

    found = counted(written(attempts, requests), commits, crashes)

    expected: Sums = Counter()
    for number in {number % len(batches) for _, number, _ in attempts}:
        for slot in batches[number]:
            expected[INTERNER.packed[NUMBERS[slot]]] += int(value_of(number, 0))
    assert expected == sum(found, Counter())


@given(batches_of, attempts_of, st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_of_two_bodies_under_one_key_a_partition_counts_one(
    batches: list[list[int]], attempts: list[Attempt], commits: set[int], crashes: set[int]
) -> None:
    """Whole and once: that whose rows came first there; it is for the gateways to refuse the other."""
    requests = [request(number // 2, slots, number % 2) for number, slots in enumerate(batches)]

    log = written(attempts, requests)

    found = counted(log, commits, crashes)
    assert found == [_first_ones(records) for records in log.values()]


def _first_ones(records: list[Record]) -> Sums:
    """What the first body of each key brings to a partition, read from the log without any memory."""
    first: set[bytes] = set()
    sums: Sums = Counter()
    for record in records:
        batch = envelope.decode(record.value, record.appended_at_ms)
        for part in batch.batches:
            if part.batch_id in first:
                continue
            first.add(part.batch_id)
            for row in range(part.first, part.first + part.rows):
                sums[batch.series[int(batch.points.slot[row])]] += int(batch.points.value[row])
    return sums
