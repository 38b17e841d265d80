"""Mutants: parts with one bug each. A simulation is worth what it takes to find them: few seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.aggregator.adapters.snapshot import TOTALS
from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.totals.increments import RunningTotals
from shared.runtime.metadata import TopicMetadata
from shared.stream.log.identity import Extent
from shared.stream.ownership import Outcome, Write
from shared.stream.processor import Cut, Key, Record, Stored
from shared.stream.pump import Pump
from shared.wire import envelope
from tests.simulation.sums import RollupWork, SumFold, Summing, Sums
from tests.simulation.windows import Aggregating, MemoryTables, Windows
from tests.simulation.world import Parts
from tests.support.simulated.kafka import MemoryLogReader, MemorySender
from tests.support.simulated.store import MemoryCheckpoints, Transaction


class WithoutFence(MemoryCheckpoints):
    """Commits whoever owns the partition now, wherever its checkpoint stands."""

    def mine(self, at: Stored, cut: Cut[Any]) -> bool:
        """Always."""
        return True


class RepeatsBlindly(MemoryCheckpoints):
    """Commits again what it has committed, when it did not hear of it."""

    def mine(self, at: Stored, cut: Cut[Any]) -> bool:
        """Whoever owns it may go on from anywhere."""
        return at.epoch == cut.epoch


class PassesOverHoles(Pump[Any]):
    """Folds what comes, though something is missing before it."""

    def take(self, key: Key, records: Sequence[Record]) -> bool:
        """Without a look at the offsets between."""
        for record in records:
            if (owned := self.owned.get(key)) is not None and record.offset >= owned.next:
                owned.take(record)
        return True


class ForgetsProducers(Sums):
    """Its checkpoint does not hold who was heard."""

    class _Processor(Summing):
        async def restore(self, conn: Any, stored: Mapping[Key, Stored]) -> dict[Key, SumFold]:
            folds = await super().restore(conn, stored)
            for fold in folds.values():
                fold._state.seen = {}
            return folds

    def processor(self, sender: MemorySender) -> Summing:
        """A process of it."""
        return self._Processor(sender)


class SavesOnceMore(Sums):
    """A transaction that is made again does what is late twice."""

    class _Processor(Summing):
        async def save(self, conn: Transaction, cuts: Sequence[Cut[RollupWork]]) -> None:
            await super().save(conn, cuts)
            for cut in cuts:
                cut.checkpoint.work.late.extend(cut.checkpoint.work.late)

    def processor(self, sender: MemorySender) -> Summing:
        """A process of it."""
        return self._Processor(sender)


class PublishesFirst(Pump[Any]):
    """Publishes what is not yet saved."""

    async def _write(self, conn: Any, cuts: Sequence[Cut[Any]]) -> None:
        await self._processor.publish(cuts)
        await self._processor.save(conn, cuts)


class PublishesSome(Sums):
    """Of several partitions that are committed together it publishes one."""

    class _Processor(Summing):
        async def publish(self, cuts: Sequence[Cut[RollupWork]]) -> None:
            await super().publish(cuts[:1])

    def processor(self, sender: MemorySender) -> Summing:
        """A process of it."""
        return self._Processor(sender)


class ForgetsCoarseWindows(Windows):
    """An acquired partition knows nothing of its open coarse windows."""

    class _Tables(MemoryTables):
        async def kept(self, conn: Transaction, keys: Iterable[Key]) -> dict[Key, dict[int, Any]]:
            found = await super().kept(conn, keys)
            return {
                key: {tier: packed for tier, packed in kept.items() if tier == TOTALS}
                for key, kept in found.items()
            }

    def processor(self, sender: MemorySender) -> Aggregating:
        """A process of it."""
        return Aggregating(sender, self._Tables())


class ForgetsTotals(Windows):
    """An acquired partition knows nothing of its running totals."""

    class _Processor(Aggregating):
        async def restore(self, connection: Any, stored: Mapping[Key, Stored]) -> dict[Key, PointFold]:
            streams = await super().restore(connection, stored)
            for stream in streams.values():
                stream.state.counters.totals = RunningTotals()
            return streams

    def processor(self, sender: MemorySender) -> Aggregating:
        """A process of it."""
        return self._Processor(sender, MemoryTables())


class GoesByReceiveTime(Windows):
    """It believes the clocks of gateways."""

    class _Processor(Aggregating):
        async def restore(self, connection: Any, stored: Mapping[Key, Stored]) -> dict[Key, PointFold]:
            streams = await super().restore(connection, stored)
            return {key: _believing(stream) for key, stream in streams.items()}

    def processor(self, sender: MemorySender) -> Aggregating:
        """A process of it."""
        return self._Processor(sender, MemoryTables())


def _believing(stream: PointFold) -> PointFold:
    fold = stream.fold

    def believe(record: Record) -> None:
        received_at_ms = envelope.decode(record.value, record.appended_at_ms).received_at_ms
        fold(record._replace(appended_at_ms=received_at_ms))

    stream.fold = believe
    return stream


class CountsGapsTwice(Windows):
    """What retention took is missing by its numbers as well."""

    class _Processor(Aggregating):
        async def restore(self, connection: Any, stored: Mapping[Key, Stored]) -> dict[Key, PointFold]:
            streams = await super().restore(connection, stored)
            for stream in streams.values():
                stream.pass_gap = lambda: None
            return streams

    def processor(self, sender: MemorySender) -> Aggregating:
        """A process of it."""
        return self._Processor(sender, MemoryTables())


class HidesGaps(MemoryCheckpoints):
    """Says nothing of what retention took."""

    async def commit(self, cuts: Sequence[Cut[Any]], write: Write) -> Outcome:
        """Without the dead letters that stand for several."""
        shown = [replace(cut, dead=[dead for dead in cut.dead if not dead.lost]) for cut in cuts]
        return await super().commit(shown, write)


class ForgetsRecords(MemoryLogReader):
    """Knows no record again: a log that was truncated and refilled looks as before."""

    async def extents(self, offsets: Mapping[Key, int]) -> dict[Key, Extent]:
        """The ends alone."""
        found = await super().extents(offsets)
        return {key: extent._replace(record=None) for key, extent in found.items()}


class ForgetsLeaders(MemoryLogReader):
    """Does not see that a partition has another leader, which may lack what was folded."""

    async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
        """As if there was one for ever."""
        return {
            name: found._replace(leader_epochs=()) for name, found in (await super().topics(names)).items()
        }


class KnowsEnds(ForgetsRecords, ForgetsLeaders):
    """Knows of a log where it ends, and nothing else: a topic that was made again is the same."""

    async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
        """One id for ever."""
        found = await super().topics(names)
        return {name: one._replace(topic_id=UUID(int=1)) for name, one in found.items()}


MUTANTS = {
    "no fence": Parts(Sums(), checkpoints=WithoutFence),
    "blind repeat": Parts(Sums(), checkpoints=RepeatsBlindly),
    "holes": Parts(Sums(), pump=PassesOverHoles),
    "forgotten producers": Parts(ForgetsProducers()),
    "saved once more": Parts(SavesOnceMore()),
    "published first": Parts(Windows(), pump=PublishesFirst),
    "published in part": Parts(PublishesSome()),
    "forgotten coarse windows": Parts(ForgetsCoarseWindows()),
    "forgotten totals": Parts(ForgetsTotals()),
    "receive time": Parts(GoesByReceiveTime()),
    "gaps twice": Parts(CountsGapsTwice()),
    "hidden gaps": Parts(Sums(), checkpoints=HidesGaps),
    "forgotten records": Parts(Sums(), reader=ForgetsRecords),
    "forgotten leaders": Parts(Sums(), reader=ForgetsLeaders),
    "known ends": Parts(Sums(), reader=KnowsEnds),
}
"""Every bug by its name."""
