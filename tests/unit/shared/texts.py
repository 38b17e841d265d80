"""A fold that concatenates, and a system of a log, a store and processes that read the one into the other.

Offsets are Kafka's. Nothing is lost or late here: a test says what happens, step by step.
"""

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.stream.pump import Pump
from tests.support.simulated.kafka import MemoryLog, MemoryLogReader
from tests.support.simulated.loop import SimulatedLoop
from tests.support.simulated.network import Network
from tests.support.simulated.operator import accept
from tests.support.simulated.store import MemoryCheckpoints, MemoryStore

T = TypeVar("T")

KEY, NEXT = Key("points", 0), Key("points", 1)


@dataclass
class Text:
    """A fold that concatenates the values it is given."""

    text: str
    urgent: bool = False
    waiting_bytes: int = 0

    def fold(self, record: Record) -> None:
        """Take a value in."""
        self.text += (record.value or b"").decode()

    def pass_gap(self) -> None:
        """Nothing."""

    def checkpoint(self) -> Checkpoint[str]:
        """All values so far."""
        return Checkpoint(self.text, None, b"", self.text.encode())


class Texts:
    """A processor whose rows are the texts of its partitions."""

    async def restore(self, connection: Any, stored: Mapping[Key, Stored]) -> dict[Key, Text]:
        """The texts of the snapshots."""
        return {key: Text((at.snapshot or b"").decode()) for key, at in stored.items()}

    async def save(self, connection: Any, cuts: Sequence[Cut[str]]) -> None:
        """Write them."""
        for cut in cuts:
            connection.put(("text", cut.key), cut.checkpoint.work)

    async def publish(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""

    async def settled(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""


@dataclass
class System:
    """A log, a store, and processes that read the one into the other."""

    loop: SimulatedLoop = field(default_factory=lambda: SimulatedLoop(random.Random(1)))

    def __post_init__(self) -> None:
        network = Network(self.loop, random.Random(1), "server")
        self.log, self.store = MemoryLog(network, partitions=2), MemoryStore(network)
        self.reader = MemoryLogReader(self.log)

    def append(self, text: str, key: Key = KEY) -> None:
        """A record a character, a millisecond apart."""
        for char in text:
            self.log.append(key, self.log.appended_ms[key] + 1, char.encode())

    async def pump(self, owner: str = "a", keys: Sequence[Key] = (KEY,)) -> Pump[str]:
        """A process that has acquired the partitions."""
        pump = Pump(Texts(), MemoryCheckpoints(self.store, owner), self.reader)
        pump.install(await pump.acquire(keys))
        return pump

    def read(self, pump: Pump[str], key: Key = KEY) -> None:
        """Let it take what lies at its position."""
        base = pump.base(key)
        found = self.log.records[key][pump.owned[key].position :]
        pump.take(key, [record._replace(offset=record.offset + base) for record in found])

    async def folded(self, text: str, key: Key = KEY) -> Pump[str]:
        """A process that has committed this text."""
        self.append(text, key)
        pump = await self.pump(keys=[key])
        self.read(pump, key)
        await pump.commit()
        return pump

    async def check(self, pump: Pump[str]) -> None:
        """A comparison of all logs; what is released meanwhile is acquired anew, as a runtime does it."""
        await pump.out_of_range(list(pump.owned))
        await pump.commit()
        await pump.resume()
        await self.reacquire(pump)

    async def reacquire(self, pump: Pump[str]) -> list[Key]:
        """What a runtime does with partitions that are released."""
        released = pump.releases()
        if released:
            pump.add(await pump.acquire(released))
        return released

    def text(self, key: Key = KEY) -> str | None:
        """What is in the tables."""
        found: str | None = self.store.rows.get(("text", key))
        return found

    async def accept(self) -> None:
        """What `tidegauge topics accept` does."""
        assert await accept(self.store, self.reader, KEY.topic)


def run(timeline: Callable[[System], Coroutine[Any, Any, T]]) -> T:
    """Let it happen, on a loop whose clock costs no time."""
    system = System()
    return system.loop.run(timeline(system))
