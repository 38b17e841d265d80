"""The feed: which rows are live, which blocks have changed, and what it says of what it has not read."""

from collections.abc import Iterable

import pytest

from services.gateway.query.feed.feed import Feed
from services.gateway.query.feed.readings import Arrival, Message, Unreadable, read
from services.gateway.query.feed.state import BLIND_MS, COMMIT_MS, FeedState
from shared.errors import Unavailable
from tests.support.windows import message, owner, tick

T = 1_800_000_000_000
"""A start of a window, of a minute and of a quarter of an hour."""

A, B = owner("a"), owner("b")
OTHER = owner("a", "memory")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ms = T

    def __call__(self) -> int:
        """Its time."""
        return self.ms


class Log:
    """A feed and the records that it is given, one after another."""

    def __init__(self, partitions: int = 1, limit_bytes: int = 1 << 20) -> None:
        self.clock = Clock()
        self.feed = Feed(FeedState(limit_bytes), self.clock)
        self.feed.state.begin(range(partitions), T - 900_000)
        self.partitions = partitions
        self.offset = 0

    async def add(self, *values: bytes, at_ms: int = T, partition: int = 0) -> list[str]:
        """Append records and read them; why some could not be read."""
        arrivals = [Arrival(partition, self.offset + i, at_ms, value) for i, value in enumerate(values)]
        self.offset += len(values)
        reasons = await self.feed.take(arrivals)
        for each in range(self.partitions):
            self.feed.state.level(each, self.clock.ms)
        return reasons

    async def shown(
        self, metric: str = "cpu", as_of: dict[int, int] | None = None
    ) -> list[tuple[object, ...]]:
        """Partition, host, start, sum and whether it is closed of each live row."""
        found = await self.feed.live(1, metric, 0, 1 << 45, as_of)
        return sorted(
            (each.partition, dict(each.part.owners[slot].labels)["host"], start - T, total, each.final)
            for each in found
            for slot, start, total in zip(
                each.part.rollups.slot.tolist(),
                each.part.rollups.start_ms.tolist(),
                each.part.rollups.sum.tolist(),
                strict=True,
            )
        )


def messages(found: Iterable[Message | Unreadable]) -> list[Message]:
    """Those that could be read."""
    return [one for one in found if isinstance(one, Message)]


async def test_the_newest_frame_of_an_open_window_is_shown_and_of_one_metric_alone() -> None:
    """A frame of a process that has not come as far, or was frozen, undoes nothing."""
    log = Log()
    await log.add(message({(A, T): [1.0], (B, T): [2.0], (OTHER, T): [9.0]}, 5))
    await log.add(message({(A, T): [1.0, 3.0], (B, T): [2.0], (OTHER, T): [9.0]}, 7))
    await log.add(message({(A, T): [1.0]}, 6))

    assert [(0, "a", 0, 4.0, False), (0, "b", 0, 2.0, False)] == await log.shown()
    assert [(0, "a", 0, 9.0, False)] == await log.shown("memory")
    assert [] == await log.shown("disk")


async def test_a_frame_in_several_messages_is_never_shown_in_part() -> None:
    """What the one before has is shown until all of its series have come."""
    log = Log()
    await log.add(message({(A, T): [1.0]}, 5), message({(B, T): [2.0]}, 5))
    await log.add(message({(A, T): [8.0]}, 7))
    half = await log.shown()
    await log.add(message({(B, T): [9.0]}, 7))

    assert [(0, "a", 0, 8.0, False), (0, "b", 0, 2.0, False)] == half
    assert [(0, "a", 0, 8.0, False), (0, "b", 0, 9.0, False)] == await log.shown()


async def test_a_frame_that_comes_again_takes_no_more_room() -> None:
    """A worker that dies over and over shows what it begins from each time."""
    log = Log()
    await log.add(message({(A, T): [1.0]}, 5), message({(B, T): [2.0]}, 5))
    (_, rows) = log.feed.state.bounds()
    used = rows.used()
    await log.add(*[message({(A, T): [1.0]}, 5), message({(B, T): [2.0]}, 5)] * 10)

    assert used == rows.used()
    assert [(0, "a", 0, 1.0, False), (0, "b", 0, 2.0, False)] == await log.shown()


async def test_a_window_that_closes_is_found_until_it_is_committed() -> None:
    """Its rows are published before they are in the tables: nobody may find it in neither."""
    log = Log()
    await log.add(message({(A, T): [1.0]}, 5))
    await log.add(message({(A, T): [1.0, 2.0]}, 8, final=True), tick(8, T + 10_000))
    closing = await log.shown()
    await log.add(tick(9, T + 11_000))
    after, before = await log.shown(), await log.shown(as_of={0: 7})

    assert [(0, "a", 0, 3.0, True)] == closing
    assert [] == after
    assert [(0, "a", 0, 3.0, True)] == before


async def test_of_rows_that_come_twice_the_highest_revision_counts() -> None:
    """A worker that died publishes them again, and its successor more of them."""
    log = Log()
    await log.add(message({(A, T): [1.0]}, 8, final=True))
    await log.add(
        message({(A, T): [1.0, 5.0]}, 8, final=True, revision=1), message({(A, T): [1.0]}, 8, final=True)
    )

    assert [(0, "a", 0, 6.0, True)] == await log.shown()


async def test_who_read_the_tables_too_long_ago_is_told() -> None:
    """Never less than there is, as if it were all."""
    log = Log()
    await log.add(message({(A, T): [1.0]}, 8, final=True), tick(8, T + 10_000))
    await log.add(tick(9, T + 11_000), at_ms=T + 61_000)

    assert [] == await log.shown(as_of={0: 8})
    with pytest.raises(Unavailable, match="too long ago"):
        await log.shown(as_of={0: 7})


async def test_a_block_is_touched_by_closed_rows_alone_at_the_offset_of_their_message() -> None:
    """By metric, tier and block; open windows are in no table."""
    log = Log()
    await log.add(message({(A, T): [1.0]}, 5), message({(A, T + 10_000): [1.0]}, 8, final=True))
    await log.add(message({(A, T): [1.0]}, 9, final=True, tier_ms=60_000), tick(9, T))
    touched = log.feed.touched

    assert {0: 8} == touched(1, "cpu", 10_000, T + 890_000)
    assert {0: 9} == touched(1, "cpu", 60_000, T)
    assert {} == touched(1, "cpu", 10_000, T + 900_000)
    assert {} == touched(1, "cpu", 900_000, T)
    assert {} == touched(1, "memory", 10_000, T)
    assert {} == touched(2, "cpu", 10_000, T)


async def test_rows_behind_a_tick_touch_as_if_they_came_after_it() -> None:
    """A partition that was put back commits lower offsets than blocks were read at."""
    log = Log()
    await log.add(tick(100, T), message({(A, T): [1.0]}, 60, final=True))

    assert {0: 101} == log.feed.touched(1, "cpu", 10_000, T)


async def test_what_was_forgotten_counts_as_touched() -> None:
    """Of a block that nobody knows of any more, every row may have changed."""
    log = Log()
    log.feed.state.touched = type(log.feed.state.touched)(2)
    for place in range(3):
        await log.add(message({(A, T + place * 900_000): [1.0]}, 5 + place, final=True))

    assert {0: 5} == log.feed.touched(1, "cpu", 10_000, T)
    assert {0: 5} == log.feed.touched(1, "never seen", 10_000, T)
    assert {0: 7} == log.feed.touched(1, "cpu", 10_000, T + 1_800_000)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff" * 40, id="noise"),
        pytest.param(message({(A, T): [1.0]}, 5, partition=3), id="another partition's"),
        pytest.param(message({(A, -T): [1.0]}, 5), id="no time"),
        pytest.param(message({(A, T): [1.0], (A, T + 10_000): [1.0]}, 5), id="two windows in one frame"),
        pytest.param(message({(A, T): [1.0]}, 5).replace(b"\xa1v\x05", b"\xa1v\x63"), id="a later version"),
        pytest.param(
            message({(A, T): [1.0]}, 5, final=True).replace(b"\x95\x01\xa3cpu", b"\x95\x01"), id="no series"
        ),
    ],
)
async def test_what_a_record_hides_that_cannot_be_read_counts_as_the_worst(value: bytes) -> None:
    """No live windows until none is open that it may have been about; nothing that was read before is covered."""
    log = Log()
    await log.add(tick(1, T))
    covered = log.feed.covers(T)
    reasons = await log.add(value, tick(2, T))
    reason = log.feed.reason
    hidden = log.feed.covers(T), log.feed.covers(T + COMMIT_MS)
    await log.add(tick(3, T), at_ms=T + BLIND_MS)

    assert (1, 1) == (len(reasons), log.feed.state.unreadable)
    assert (True, False, True) == (covered, *hidden)
    assert reason is not None
    assert "could not be read" in reason
    assert log.feed.available


async def test_rows_beyond_the_bound_are_dropped_and_said_to_be() -> None:
    """Less than all is never shown as if it were all."""
    log = Log(limit_bytes=2_000)
    await log.add(*(message({(owner(f"h{i}"), T): [float(i)]}, 5) for i in range(20)))

    with pytest.raises(Unavailable, match="more than 2000 bytes"):
        await log.shown()
    (_, rows) = log.feed.state.bounds()
    assert rows.used() == 0 < rows.evicted()


async def test_live_windows_need_every_partition_read_to_its_end() -> None:
    """At first, and from then on; what changed is known for a second, what is live for five."""
    log = Log(partitions=2)
    state = log.feed.state
    state.level(0, T)
    first = log.feed.available
    state.level(1, T)
    known = [(log.feed.is_current(), log.feed.available)]
    for later_ms in (1_001, 5_001):
        log.clock.ms = T + later_ms
        known.append((log.feed.is_current(), log.feed.available))
    state.go_on()

    assert (False, [(True, True), (False, True), (False, False)]) == (first, known)
    assert log.feed.reason is not None


async def test_after_a_loss_nothing_is_known_until_records_come_that_are_newer() -> None:
    """A topic that was made anew, or cut off: entries and rows from before count no more."""
    log = Log()
    await log.add(tick(1, T))
    log.feed.state.missed([0])
    await log.add(tick(1, T))
    lost = log.feed.covers(T + 10 * COMMIT_MS), log.feed.available
    log.feed.state.found_again(0, T + 1_000)
    found = log.feed.covers(T + 999 + COMMIT_MS), log.feed.covers(T + 1_000 + COMMIT_MS), log.feed.available
    await log.add(tick(2, T), at_ms=T + 1_000 + BLIND_MS)

    assert ((False, False), (False, True, False), True) == (lost, found, log.feed.available)


async def test_closed_rows_are_kept_compressed_and_open_ones_as_they_came() -> None:
    """Nothing is unpacked before somebody asks."""
    value = message({(owner(f"h{i}"), T): [1.0] for i in range(200)}, 5)
    closed = message({(owner(f"h{i}"), T): [1.0] for i in range(200)}, 5, final=True)
    one, other = messages(read([Arrival(0, 0, T, value), Arrival(0, 1, T, closed)]))

    assert value == one.value
    assert len(other.value) * 5 < len(closed)
