"""No clock of a gateway decides anything: windows, lateness, repeats, the ledger and breakers go by the append time.

Two gateways write one partition, the second one with a wrong clock. Source of the figures: measured at 73920a5 with a
second gateway ahead by 3, 5, 15, 960 and 3,700 s (reference, faults, "what other lies do").
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import FORGET_PRODUCER_MS
from shared.ledger.entries import Line, minute_of
from shared.model.event import REMEMBERED_MS
from shared.model.point import Points
from shared.model.series import Series
from shared.model.window import BASE_MS, MAX_EVENT_AGE_MS, MAX_LEAD_MS, MAX_POINT_AGE_MS
from shared.stream.owned import OwnedPartition, owned_from
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope
from shared.wire.envelope import Part
from shared.wire.series import pack
from tests.support.memory_tables import MemoryTables

T0 = 1_760_000_040_000
SECOND_MS = 1_000
SERIES = [pack(Series(1, "load", "gauge", "", (("gateway", name),))) for name in "ab"]

SKEWS = pytest.mark.parametrize(
    "skew_ms",
    [
        pytest.param(seconds * SECOND_MS, id=f"{seconds} s")
        for seconds in (3, 5, 15, 50 * 60, 960, 3_660, 3_700, -90, -4 * 86_400)
    ],
)
"""How far the clock of the second gateway is ahead."""


@dataclass
class Partition:
    """The log of a partition with two gateways, and who folds it."""

    skew_ms: int
    offset: int = 0
    appended_at_ms: int = T0

    def __post_init__(self) -> None:
        self.seq = Counter[int]()
        fold = PointFold(Key("points", 0), Stored(1, 0, None, b"", None), {}, Repeats())
        self.owned: OwnedPartition[RollupWork] = owned_from(fold.key, Stored(1, 0, None, b"", None), fold)
        self.tables = MemoryTables(SERIES)

    def send(self, gateway: int, *ages_ms: int, batch: int | None = None) -> None:
        """A message with points of these ages, appended now; without any it is a tick."""
        points = Points(
            np.full(len(ages_ms), 0, np.uint16),
            self.appended_at_ms - np.array(ages_ms, np.int64),
            np.ones(len(ages_ms)),
        )
        parts = [] if batch is None else [Part(batch.to_bytes(16), 7, 0, len(ages_ms))]
        entries = [Line(1, "received", len(ages_ms))]
        self.seq[gateway] += 1
        received_at_ms = self.appended_at_ms + (self.skew_ms if gateway else 0)
        value = envelope.encode(
            envelope.PointBatch(
                f"gateway-{gateway}",
                self.seq[gateway],
                received_at_ms,
                SERIES[gateway:][:1],
                points,
                parts,
                entries,
            )
        )
        self.owned.take(Record(self.offset, self.appended_at_ms, value))
        self.offset += 1

    def work(self) -> RollupWork:
        """What the checkpoint hands over; it is in the tables then."""
        work = self.owned.checkpoint().checkpoint.work
        self.owned.cut = None
        self.tables.write(work)
        return work

    def run(self, seconds: int) -> None:
        """Both gateways send a point and a tick each second, as far behind as points usually are."""
        for _ in range(seconds):
            self.appended_at_ms += SECOND_MS
            for gateway in (0, 1):
                self.send(gateway, 300)
                self.send(gateway)


@SKEWS
def test_a_wrong_clock_makes_nobodys_points_late(skew_ms: int) -> None:
    """At 73920a5 5 to 100 % of the honest gateway's points were late."""
    partition = Partition(skew_ms)
    partition.run(60)
    work = partition.work()

    assert {} == work.late
    assert [0] == np.unique(work.closed[BASE_MS].late_count).tolist()


@SKEWS
def test_a_wrong_clock_closes_no_window_before_its_time(skew_ms: int) -> None:
    """Two seconds of append time after its end; at 73920a5 one tick closed all windows of the next 50 minutes."""
    partition = Partition(skew_ms)
    partition.run(61)
    rows = partition.work().closed[BASE_MS]

    assert [T0 + BASE_MS * n for n in range(5)] == np.unique(rows.start_ms).tolist()
    assert [10.0] * 10 == rows.count.tolist()
    assert T0 + 59 * SECOND_MS == partition.owned.checkpoint().checkpoint.watermark_ms


@SKEWS
def test_a_batch_repeated_through_a_gateway_with_a_wrong_clock_counts_once(skew_ms: int) -> None:
    """Through either gateway, in either order; at 73920a5 a batch of 60 points counted 114 times at 960 s."""
    partition = Partition(skew_ms)
    partition.send(0, 100, batch=1)
    partition.send(1, 100, batch=2)
    partition.appended_at_ms += SECOND_MS
    for gateway in (0, 1):
        for batch in (1, 2):
            partition.send(gateway, 100, batch=batch)

    outcomes = Counter({entry.outcome: count for entry, count in partition.work().ledger.items()})

    assert (2, 4) == (outcomes["counted"], outcomes["duplicate"])


@SKEWS
def test_a_batch_is_forgotten_by_the_append_time_alone(skew_ms: int) -> None:
    """After 15 minutes of the log it counts anew, whoever brings it."""
    partition = Partition(skew_ms)
    partition.send(1, 100, batch=1)
    partition.appended_at_ms += 15 * 60 * SECOND_MS
    partition.send(1, 100, batch=1)
    partition.appended_at_ms += 2 * SECOND_MS
    partition.send(0, 100, batch=1)

    outcomes = Counter[str]()
    for entry, count in partition.work().ledger.items():
        outcomes[entry.outcome] += count

    assert (2, 1) == (outcomes["counted"], outcomes["duplicate"])


@SKEWS
def test_a_wrong_clock_stops_no_partition(skew_ms: int) -> None:
    """Of more than 1,000 messages none is a dead letter; at 73920a5 12 of 12 partitions stopped at 3,700 s."""
    partition = Partition(skew_ms)
    partition.run(300)

    assert (1_200, [], False) == (partition.offset, partition.owned.dead, partition.owned.is_stopped())


@SKEWS
def test_the_minute_of_the_ledger_is_that_of_the_append(skew_ms: int) -> None:
    """Both sides of an account stand in it, so that each minute closes."""
    partition = Partition(skew_ms)
    partition.run(90)
    minutes: dict[int, Counter[str]] = {}
    for entry, count in partition.work().ledger.items():
        minutes.setdefault(entry.minute_ms, Counter())[entry.outcome] += count

    assert [minute_of(T0 + SECOND_MS), minute_of(T0 + 90 * SECOND_MS)] == sorted(minutes)
    assert [minute["received"] for minute in minutes.values()] == [
        minute["counted"] for minute in minutes.values()
    ]


@pytest.mark.parametrize(("age_ms", "code"), [(-121_000, "ts_in_future"), (10 * 86_400_000, "ts_too_old")])
def test_a_point_too_far_from_its_append_is_refused_by_row(age_ms: int, code: str) -> None:
    """Its neighbours count, it moves no time, and the account closes."""
    partition = Partition(0)
    partition.send(0, 20 * SECOND_MS, age_ms, 20 * SECOND_MS)
    reached_ms = partition.owned.checkpoint().checkpoint.watermark_ms
    ledger = partition.owned.checkpoint().checkpoint.work.ledger

    assert T0 - 22 * SECOND_MS == reached_ms
    assert {"received": 3, "counted": 2, f"rejected:{code}": 1} == {
        entry.outcome: count for entry, count in ledger.items()
    }


def test_a_repeat_of_a_refused_row_is_a_repeat() -> None:
    """A batch has each outcome once."""
    partition = Partition(0)
    for _ in range(2):
        partition.send(0, 0, -121_000, batch=1)

    assert {"received": 4, "counted": 1, "rejected:ts_in_future": 1, "duplicate": 2} == {
        entry.outcome: count for entry, count in partition.work().ledger.items() if count
    }


def test_a_message_of_refused_points_carries_time_like_a_tick() -> None:
    """Its append time is as good as any other's."""
    partition = Partition(0)
    partition.send(0, -121_000)

    assert T0 - 2 * SECOND_MS == partition.owned.checkpoint().checkpoint.watermark_ms


def test_what_is_sent_again_is_known_for_longer_than_it_may_count() -> None:
    """Dead letters may be replayed at any time: a point is either known by its producer or refused by its age."""
    assert FORGET_PRODUCER_MS > MAX_POINT_AGE_MS + MAX_LEAD_MS
    assert REMEMBERED_MS > MAX_EVENT_AGE_MS + MAX_LEAD_MS


messages = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from((0, 1, 900, 5_000, 61_000)),
        st.lists(st.integers(-60_000, 200_000), max_size=4),
        st.none() | st.integers(0, 3),
    ),
    max_size=30,
)


@given(messages, st.integers(-(10**9), 10**9), st.sets(st.integers(0, 29)))
def test_the_log_gives_the_same_tables_whatever_the_receive_times(
    log: list[tuple[int, int, list[int], int | None]], skew_ms: int, cuts: set[int]
) -> None:
    """Rows, revisions, watermark, ledger and memory of repeats, to the byte."""
    found = []
    for skew in (0, skew_ms):
        partition, works = Partition(skew), list[object]()
        for at, (gateway, step_ms, ages_ms, batch) in enumerate([*log, (0, 3_600_000, [], None)]):
            partition.appended_at_ms += step_ms
            partition.send(gateway, *ages_ms, batch=batch if ages_ms else None)
            if at in cuts or at == len(log):
                work = partition.work()
                works.append((work.ledger, work.batches))
        found.append((partition.tables.content(), works, partition.owned.dead))

    assert found[0] == found[1]
