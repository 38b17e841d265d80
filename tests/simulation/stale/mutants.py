"""Mutants: worlds with one bug each, as caches have them. A simulation is worth the few seeds that find them."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import replace

from services.gateway.query.cache.answers import Answers, Made
from services.gateway.query.cache.cache import Cache, _Asked
from services.gateway.query.cache.entry import Entry, Known
from services.gateway.query.cache.wired import FeedChanges
from services.gateway.query.feed.readings import Block, Message
from services.gateway.query.feed.state import FeedState
from services.gateway.query.questions.grouped import Gathered, Piece
from services.gateway.query.questions.ports import Answer, Loaded, Standing
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.source import WindowSource
from tests.simulation.stale.around import Snapshots
from tests.simulation.stale.world import Parts


class ValidByLife(Cache):
    """An entry is good until its time has come."""

    def _is_usable(self, entry: Entry, asked: _Asked) -> bool:
        return True


class JoinsAnyLoad(Cache):
    """Whoever comes while a block is loaded takes what comes of it."""

    async def _entry(self, asked: _Asked) -> Entry:
        flight = self._flights.get(asked.key)
        if flight is not None and not flight.task.done():
            return (await flight.task)[0]
        return await super()._entry(asked)


class RenewsFreshness(Cache):
    """An entry that is valid counts as loaded just now."""

    def _renew(self, entry: Entry, asked: _Asked) -> None:
        entry.began_s = self._clock()


class TrustsOldEntries(FeedChanges):
    """Entries from before the feed began are judged by what it has read."""

    def covers(self, log_ms: int) -> bool:
        """Always."""
        return True


class NeverLags(FeedChanges):
    """What was read is taken for what there is."""

    def known(self) -> Known:
        """As if it were current."""
        known = super().known()
        return Known(True, known.log_ms, known.ended, known.watermark_ms)


class ReadsOffsetsLater(Snapshots):
    """Where the partitions stand is read after the rows, in another snapshot."""

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """Rows, and then offsets."""
        loaded = await super().load(selection, tier_ms, from_ms, to_ms)
        return Loaded(loaded.rows, self.stand())


class ForgetsResets(FeedState):
    """Rows behind a tick count with their own offset."""

    def _note(self, message: Message) -> None:
        self._ended.pop(message.partition, None)
        super()._note(message)


class ForgetsBlocks(FeedState):
    """A block that nobody knows of any more has not changed."""

    def __init__(self) -> None:
        super().__init__()
        self.touched = type(self.touched)(1)

    def changed(self, block: Block) -> Mapping[int, int]:
        """What is known of the block itself."""
        return self.touched.get(block) or {}


class SkipsUnreadable(FeedState):
    """A record that cannot be read is passed over."""

    def _doubt(self, partition: int, appended_ms: int) -> None:
        pass


class KeepsAnswers(Answers):
    """An answer is good, whatever has become of its blocks."""

    def _is_of(self, made: Made, state: Hashable) -> bool:
        return True


class JoinsAnyAnswer(Answers):
    """Whoever comes while an answer is made takes it, whatever it is made of."""

    async def answer(
        self, tenant_id: int, key: bytes, state: Hashable | None, make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """That of the making under way, if there is one."""
        for (made, _), flight in self._flights.items():
            if made == key:
                return await flight
        return await super().answer(tenant_id, key, state, make)


class ForgetsLiveWindows(WindowSource):
    """What an answer is made of is its blocks alone."""

    async def gathered(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Gathered:
        """Without what is open."""
        return replace(await super().gathered(selection, from_ms, to_ms, tier_ms, live=live), open_state=())


class CountsBlocks(WindowSource):
    """Blocks are known by how many rows they have."""

    async def _closed(
        self, selection: Selection, tier_ms: int, span: tuple[int, int], standing: Mapping[int, Standing]
    ) -> list[Piece]:
        found = await super()._closed(selection, tier_ms, span, standing)
        return [Piece(replace(one.rows, number=0), one.first, one.end) for one in found]


MUTANTS: Mapping[str, Parts] = {
    "valid by life only": Parts(cache=ValidByLife),
    "deleted on message, valid by life": Parts(cache=ValidByLife, deletes=True),
    "joins any load": Parts(cache=JoinsAnyLoad),
    "renews freshness": Parts(cache=RenewsFreshness, asks=0),
    "trusts entries that are older than the feed": Parts(changes=TrustsOldEntries),
    "never lags": Parts(changes=NeverLags),
    "reads offsets after the rows": Parts(tables=ReadsOffsetsLater),
    "forgets resets": Parts(state=ForgetsResets),
    "forgets blocks": Parts(state=ForgetsBlocks),
    "skips unreadable records": Parts(state=SkipsUnreadable),
    "keeps an answer whose block was touched": Parts(answers=KeepsAnswers),
    "joins any answer": Parts(answers=JoinsAnyAnswer),
    "forgets live windows": Parts(source=ForgetsLiveWindows),
    "counts the rows of blocks": Parts(source=CountsBlocks),
}
"""Each is found by what a read gives."""
