"""What happens to the log itself: a topic is made again or loses its last records, and later an operator accepts it.

Invariant: the history of a partition is what its checkpoint had counted when another log was accepted, and that log
from there on.
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
        if self.chance.random() < 0.5:
            return
        await asyncio.sleep(self.chance.uniform(0, LATEST_S))
        self.lost, self.at_rest = True, False
        if self.chance.random() < 0.5:
            for key in self.keys:
                self._lose(key, 0)
            self.log.remake(self.keys[0].topic)
        else:
            key = self.chance.choice(self.keys)
            end = max(0, len(self.log.records[key]) - self.chance.choice((1, 1, 2, 3, 8)))
            self._lose(key, end)
            self.log.truncate(key, end)

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
