"""What happens to the log itself: a topic is made again, loses its last records, or its first ones unread.

What follows from another log, an operator accepts later; what retention takes, workers pass over. Invariant: the
history of a partition is what its checkpoint had counted when another log was accepted, and that log from there on.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.errors import Unavailable
from shared.stream.processor import Key, Record
from tests.support.simulated.kafka import MemoryLog, MemoryLogReader
from tests.support.simulated.operator import accept
from tests.support.simulated.store import MemoryStore

Label = tuple[str, int]
"""Producer and number of a message."""

LATEST_S = 12.0
"""The log is another one by then, if it ever is."""

ACCEPTED_S = 15.0
"""Longest time until an operator accepts it."""


@dataclass
class Logs:
    """The partitions of one topic, with what was lost of them."""

    log: MemoryLog
    keys: Sequence[Key]
    chance: random.Random
    reader: type[MemoryLogReader] = MemoryLogReader
    lost: bool = False
    """Whether the log lost records."""
    at_rest: bool = True
    """Whether the operator found nothing more to accept."""
    expired: dict[Key, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Offsets at which the log began for a while, because retention had taken what was before."""
    under_way: set[tuple[Key, Label]] = field(default_factory=set)
    """Messages that their producers may send once more."""
    _labels: dict[Key, list[Label]] = field(default_factory=lambda: defaultdict(list))
    _before: dict[Key, list[tuple[Record, Label]]] = field(default_factory=dict)
    """The history when records were lost."""
    _accepted: dict[Key, tuple[list[tuple[Record, Label]], int]] = field(default_factory=dict)
    """What had been counted when another log was accepted, and where that log goes on."""
    _moves: dict[Key, tuple[int, int]] = field(default_factory=dict)
    """The same as the checkpoints have it."""

    def append(self, key: Key, appended_at_ms: int, value: bytes, label: Label) -> None:
        """Put a record at the end of a partition."""
        self.log.append(key, appended_at_ms, value)
        self._labels[key].append(label)

    def history(self, key: Key) -> list[tuple[Record, Label]]:
        """The records of a partition by the offsets of its checkpoint, with their labels."""
        past, begin = self._accepted.get(key, ([], 0))
        now = list(zip(self.log.records[key], self._labels[key], strict=True))[begin:]
        return [(record._replace(offset=at), label) for at, (record, label) in enumerate(past + now)]

    async def trouble(self) -> None:
        """In some worlds, lose records at some time."""
        lose = self.chance.choice((None, None, None, self._remake, self._truncate, self._expire))
        times = 8 if lose == self._expire else 1
        for _ in range(times):
            await asyncio.sleep(self.chance.uniform(0, LATEST_S / times))
            if lose is not None:
                lose()

    def _remake(self) -> None:
        for key in self.keys:
            self._lose(key, 0)
        self.log.remake(self.keys[0].topic)

    def _truncate(self) -> None:
        key = self.chance.choice(self.keys)
        end = max(0, len(self.log.records[key]) - self.chance.choice((1, 1, 2, 3, 8)))
        self._lose(key, end)
        self.log.truncate(key, end)

    def _expire(self) -> None:
        for key in self.keys:
            end = max(self._settled(key) - self.chance.choice((0, 0, 1, 2)), 0)
            while not set(self._labels[key][:end]).isdisjoint(self._labels[key][end:]):
                end -= 1
            self.log.expire(key, end)
            self.expired[key].add(self.log.earliest[key])

    def _settled(self, key: Key) -> int:
        """The records in front of all that may be sent once more: retention is longer than producers try."""
        labels = self._labels[key]
        open_ = [at for at, label in enumerate(labels) if (key, label) in self.under_way]
        return min(open_, default=len(labels))

    async def operate(self, store: MemoryStore) -> None:
        """Accept what is left now and then, for as long as the world lasts: a checkpoint may move meanwhile."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.1, ACCEPTED_S))
            if self.lost:
                await self._accept(store)

    async def nothing_to_accept(self, store: MemoryStore) -> bool:
        """Whether the operator finds nothing to accept now: a commit may have come after the last look."""
        if self.lost:
            await self._accept(store)
        return self.at_rest

    def _lose(self, key: Key, end: int) -> None:
        self.lost, self.at_rest = True, False
        self._before[key] = self.history(key)
        del self._labels[key][end:]

    async def _accept(self, store: MemoryStore) -> None:
        while True:
            try:
                self.at_rest = not await accept(store, self.reader(self.log), self.keys[0].topic, self._moves)
            except Unavailable:
                continue
            break
        for key, (next_offset, begin) in self._moves.items():
            self._accepted[key] = self._before[key][:next_offset], begin
