"""Mutants: parts with one bug each. A simulation is worth what it takes to find them: few seeds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.aggregator.adapters.snapshot import TOTALS
from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.totals.increments import RunningTotals
from shared.stream.processor import Cut, Key, Record, Stored
from shared.stream.pump import Pump
from tests.simulation.sums import RollupWork, SumFold, Summing, Sums
from tests.simulation.windows import Aggregating, MemoryTables, Windows
from tests.simulation.world import Parts
from tests.support.simulated.kafka import MemorySender
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
}
"""Every bug by its name."""
