"""A log that is not the one of the checkpoint is recognised; it is counted once an operator has accepted it.

Sources: Kafka's reference for remade, truncated and widened topics; faults.md, rows of 12 → 24 and of a remade topic.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from shared.runtime.metadata import TopicMetadata
from shared.stream.containment.breaker import remedy
from shared.stream.log.check import LogCheck
from shared.stream.processor import Key
from tests.support.simulated.kafka import MemoryLogReader
from tests.unit.shared.texts import KEY, NEXT, System, run


def remake(system: System) -> None:
    """Delete the topic, make it again and fill it beyond the checkpoint."""
    system.log.remake(KEY.topic)
    system.append("vwxyz")


def refill(system: System) -> None:
    """Lose the last record, and append others: the same topic, as after the restoration of a copy."""
    system.log.truncate(KEY, 2)
    system.append("vwxyz")


def truncate(system: System) -> None:
    """Lose the last record."""
    system.log.truncate(KEY, 2)


def move(system: System) -> None:
    """Another cluster, with a topic that is as long."""
    system.log.cluster_id = "other"
    system.log.truncate(KEY, 0)
    system.append("vwxyz")


def widen(system: System) -> None:
    """More partitions."""
    system.log.partitions = 4
    system.append("vwxyz")


RECOGNISED = pytest.mark.parametrize(
    ("happens", "says"),
    [
        pytest.param(remake, "deleted and made again", id="remade"),
        pytest.param(refill, "record 2 is not the one that was folded", id="refilled"),
        pytest.param(truncate, "the log ends at 2, before the checkpoint 3", id="truncated"),
        pytest.param(move, "of cluster cluster, and this is cluster other", id="moved"),
        pytest.param(widen, "has 4 partitions, and its checkpoint is of 2", id="widened"),
    ],
)
Happens = Callable[[System], None]


@RECOGNISED
def test_another_log_is_recognised_on_acquire(happens: Happens, says: str) -> None:
    """Nothing of it is taken; the reason says what is different and which command goes on with it."""

    async def timeline(system: System) -> tuple[str | None, str]:
        await system.folded("abc")
        happens(system)
        pump = await system.pump("b")
        system.read(pump)
        await pump.commit()
        trip = pump.owned[KEY].trip
        assert trip is not None
        assert "`tidegauge topics accept points` goes on" in remedy(trip.kind, *KEY)
        return system.text(), trip.reason

    text, reason = run(timeline)

    assert "abc" == text
    assert says in reason


@RECOGNISED
def test_another_log_is_recognised_while_running(happens: Happens, says: str) -> None:
    """What was folded of it is not committed, though the process has read on without an error."""

    async def timeline(system: System) -> tuple[str | None, str]:
        pump = await system.folded("abc")
        happens(system)
        pump.take(KEY, system.log.records[KEY][3:])
        await pump.commit()
        await system.check(pump)
        await pump.commit()
        trip = pump.owned[KEY].trip
        assert trip is not None
        return system.text(), trip.reason

    text, reason = run(timeline)

    assert "abc" == text
    assert says in reason


@pytest.mark.parametrize(
    ("happens", "then"),
    [
        pytest.param(remake, "abcvwxyz", id="remade"),
        pytest.param(refill, "abcvwxyz", id="refilled"),
        pytest.param(truncate, "abc", id="truncated"),
        pytest.param(move, "abcvwxyz", id="moved"),
        pytest.param(widen, "abcvwxyz", id="widened"),
    ],
)
def test_an_accepted_log_is_counted_whole_and_once(happens: Happens, then: str) -> None:
    """The process that was stopped goes on by itself, keeps what it had counted, and misses nothing of the new log."""

    async def timeline(system: System) -> tuple[str | None, int]:
        pump = await system.folded("abc")
        happens(system)
        await system.check(pump)
        await system.accept()
        await system.check(pump)
        assert pump.owned[KEY].position == pump.owned[KEY].next - pump.base(KEY)
        system.read(pump)
        await pump.commit()
        successor = await system.pump("b")
        assert not successor.owned[KEY].is_stopped()
        return system.text(), successor.owned[KEY].next

    assert (then, len(then)) == run(timeline)


def test_a_log_that_was_accepted_before_anybody_looked_is_read() -> None:
    """The process has nothing to commit that could be refused, and no new record comes that would change that."""

    async def timeline(system: System) -> str | None:
        pump = await system.folded("abc")
        system.log.truncate(KEY, 2)
        system.append("x")
        await system.accept()
        await system.check(pump)
        system.read(pump)
        await pump.commit()
        return system.text()

    assert "abcx" == run(timeline)


def test_a_log_that_repeats_what_was_folded_goes_on_behind_it() -> None:
    """A copy that lost the end, refilled: only what was appended after the last folded record is new."""

    async def timeline(system: System) -> str | None:
        await system.folded("abcdef")
        system.log.truncate(KEY, 4)
        system.append("xyz")
        await system.accept()
        pump = await system.pump("b")
        system.read(pump)
        await pump.commit()
        return system.text()

    assert "abcdefxyz" == run(timeline)


def test_partitions_that_were_added_stay_empty() -> None:
    """After the topic was accepted, records are routed as before: a record in an added partition stops that one."""

    async def timeline(system: System) -> tuple[list[bool], list[bool]]:
        await system.folded("abc")
        system.log.partitions = 4
        added = Key("points", 2)
        await system.pump("b", [KEY, added])
        await system.accept()
        pump = await system.pump("c", [KEY, added])
        before = [pump.owned[key].is_stopped() for key in (KEY, added)]
        system.append("x", added)
        await system.check(pump)
        return before, [pump.owned[key].is_stopped() for key in (KEY, added)]

    assert ([False, False], [False, True]) == run(timeline)


def test_an_added_partition_is_stopped_until_the_topic_is_accepted() -> None:
    """It has no checkpoint of its own, and goes by what its neighbours know of the topic."""

    async def timeline(system: System) -> bool:
        await system.folded("abc")
        system.log.partitions = 4
        return (await system.pump("b", [Key("points", 3)])).owned[Key("points", 3)].is_stopped()

    assert run(timeline)


def test_a_checkpoint_without_identity_adopts_the_log_and_says_so_once() -> None:
    """A build that knew no identities wrote it: there is nothing to compare but the end."""

    async def timeline(system: System) -> list[str]:
        await system.folded("abc")
        at, owner = system.store.rows[KEY]
        system.store.rows[KEY] = replace(at, log=None, last=None), owner
        with capture_logs() as log:
            pump = await system.pump("b")
            system.append("d")
            system.read(pump)
            await pump.commit()
            await system.pump("c")
        assert "abcd" == system.text()
        return [entry["event"] for entry in log if entry["event"] == "logs adopted"]

    assert ["logs adopted"] == run(timeline)


def test_what_another_build_has_moved_on_is_not_compared_by_record() -> None:
    """It leaves the last record of its predecessor behind, which stands before the checkpoint no more."""

    async def timeline(system: System) -> bool:
        await system.folded("abc")
        system.append("d")
        at, owner = system.store.rows[KEY]
        system.store.rows[KEY] = replace(at, next_offset=4), owner
        return (await system.pump("b")).owned[KEY].is_stopped()

    assert not run(timeline)


def test_records_that_retention_took_while_running_are_lost_and_counted() -> None:
    """Kafka does not have the offset any more: the partition goes on with the first record that is there."""

    async def timeline(system: System) -> tuple[list[Key], list[str], str | None]:
        pump = await system.folded("abc")
        system.append("defg")
        system.log.earliest[KEY] = 5
        await pump.out_of_range([KEY])
        rewinds, dead = pump.rewinds(), [one.code for one in pump.owned[KEY].dead]
        system.read(pump)
        await pump.commit()
        return rewinds, dead, system.text()

    assert ([KEY], ["retention_gap"], "abcfg") == run(timeline)


def test_an_offset_beyond_the_end_stops_the_partition() -> None:
    """Kafka does not have it yet, though it was told to: nothing is read from another place."""

    async def timeline(system: System) -> tuple[bool, int]:
        pump = await system.folded("abc")
        system.log.truncate(KEY, 1)
        await system.check(pump)
        return pump.owned[KEY].is_stopped(), pump.owned[KEY].position

    assert (True, 1) == run(timeline)


@pytest.mark.parametrize("watched", [False, True], ids=["commit", "watch"])
def test_what_a_new_leader_lacks_is_read_again_from_the_checkpoint(watched: bool) -> None:
    """It was folded and not committed, so that nothing is wrong; the partition is not stopped, and all counts once."""

    async def timeline(system: System) -> str | None:
        pump = await system.folded("abc")
        system.append("de")
        system.read(pump)
        system.log.truncate(KEY, 4)
        system.append("xyz")
        await (system.check(pump) if watched else pump.commit())
        await system.reacquire(pump)
        system.read(pump)
        await pump.commit()
        return system.text()

    assert "abcdxyz" == run(timeline)


def test_what_is_folded_while_the_log_is_compared_is_not_committed() -> None:
    """The answer says nothing of a record that was read after the question; it may be of another log."""

    async def timeline(system: System) -> str | None:
        pump = await system.folded("abc")
        system.append("d")
        system.read(pump)

        class Slow(MemoryLogReader):
            async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
                found = await super().topics(names)
                system.log.truncate(KEY, 2)
                system.append("xyz")
                system.read(pump)
                return found

        pump._logs = LogCheck(Slow(system.log))
        await pump.commit()
        return system.text()

    assert "abcd" == run(timeline)


def test_one_partition_of_another_log_stops_no_other() -> None:
    """Neighbours of the same process go on."""

    async def timeline(system: System) -> tuple[str | None, str | None]:
        system.append("abc")
        system.append("k", NEXT)
        pump = await system.pump(keys=[KEY, NEXT])
        system.read(pump)
        system.read(pump, NEXT)
        await pump.commit()
        refill(system)
        await system.check(pump)
        system.append("l", NEXT)
        system.read(pump, NEXT)
        await pump.commit()
        return system.text(), system.text(NEXT)

    assert ("abc", "kl") == run(timeline)


def test_what_belongs_to_another_owner_is_not_acquired_again() -> None:
    """A process that sees another leader, but lost its partition meanwhile, leaves it to its owner."""

    async def timeline(system: System) -> tuple[int, dict[Key, int]]:
        pump = await system.folded("abc")
        system.append("d")
        system.read(pump)
        owner = await system.pump("b")
        system.log.leader_epochs[KEY] += 1
        await pump.commit()
        return owner.owned[KEY].epoch, await owner.commit()

    assert (2, {}) == run(timeline)
