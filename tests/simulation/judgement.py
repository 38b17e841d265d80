"""What must be true of a world at rest: each check runs for every seed."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.stream.processor import RETENTION_GAP, DeadLetter, Key, Record
from shared.stream.pump import Pump
from tests.simulation.logs import Label
from tests.simulation.service import TOTALS, At
from tests.simulation.world import UNREADABLE, World
from tests.support.simulated.kafka import MemoryLog, MemoryLogReader, MemorySender
from tests.support.simulated.loop import SimulatedLoop
from tests.support.simulated.network import Network
from tests.support.simulated.store import MemoryCheckpoints, MemoryStore


def judge(world: World) -> list[str]:
    """What is wrong, a line each."""
    return [
        *_same("", _lasting(world, world.store.rows), _lasting(world, peaceful(world))),
        *_wrong_sums(world),
        *_wrong_gaps(world),
        *_wrong_losses(world),
        # What was published of records that the log has lost since cannot be taken back.
        *(
            []
            if world.logs.lost or any(gaps(world, key) for key in world.keys)
            else _wrong_publications(world)
        ),
    ]


def peaceful(world: World) -> dict[Any, Any]:
    """What is stored when one process reads the log once, from its start to its end, and commits once.

    The clocks of all senders are right in it.
    """
    chance = random.Random(0)
    loop = SimulatedLoop(chance)
    network = Network(loop, chance, "peace")
    store = MemoryStore(network)
    log = MemoryLog(network)
    pump = Pump(
        world.service.processor(MemorySender(log, chance)),
        MemoryCheckpoints(store, "peace"),
        MemoryLogReader(log),
    )

    async def fold() -> None:
        pump.install(await pump.acquire(world.keys))
        for key in world.keys:
            ends = {dead.offset: dead.offset + dead.lost for dead in gaps(world, key)}
            for record, _ in world.logs.history(key):
                if (end := ends.get(record.offset)) is not None:
                    pump.owned[key].pass_gap(end)
                elif record.offset >= pump.owned[key].next:
                    pump.take(key, [world.service.restamped(record)])
        await pump.commit()

    loop.run(fold())
    return store.rows


def gaps(world: World, key: Key) -> list[DeadLetter]:
    """What retention took unread of a partition, in the order of the log."""
    letters = (row for row in world.store.rows.items() if isinstance(row[1], DeadLetter))
    found = [dead for (of, _), dead in letters if of == key and dead.code == RETENTION_GAP]
    return sorted(found, key=lambda dead: dead.offset)


def heard(world: World, key: Key) -> list[tuple[Record, Label]]:
    """The records that a worker has read."""
    gone = {at for dead in gaps(world, key) for at in range(dead.offset, dead.offset + dead.lost)}
    return [one for one in world.logs.history(key) if one[0].offset not in gone]


def _lasting(world: World, stored: Mapping[Any, Any]) -> dict[Any, Any]:
    """Rows, dead letters and checkpoints, but for what tells of owners and of the moments of commits."""
    # A gap bears the moment at which it was noticed.
    lasting: dict[Any, Any] = {
        place: replace(row, appended_at_ms=0) if row.lost else row
        for place, row in stored.items()
        if isinstance(row, DeadLetter)
    }
    for key in world.keys:
        at = stored[key][0]
        lasting[key] = at.next_offset, at.watermark_ms, at.seen
    return lasting | {at: content for at, (_, content) in world.service.rows(stored).items()}


def _same(what: str, found: dict[Any, Any], expected: dict[Any, Any]) -> list[str]:
    return [
        f"{what} {key}: {found.get(key)}, not {expected.get(key)}".strip()
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    ]


def _wrong_sums(world: World) -> list[str]:
    """By plain addition of what was sent and read, without a line of the service: each point counts once."""
    expected: Counter[At] = Counter()
    for key, messages in world.sent.items():
        for label in {label for _, label in heard(world, key)}:
            for one in messages[label]:
                for span_ms in world.service.spans_ms:
                    at = span_ms, one.series, one.ts_ms - one.ts_ms % span_ms
                    expected[at] += one.value * one.weight
    rows = world.service.rows(world.store.rows).items()
    found = {at: total for at, (total, _) in rows if at[1] < TOTALS}
    return [
        f"sum of {at}: {found.get(at)}, not {expected.get(at)}"
        for at in found.keys() | expected.keys()
        if found.get(at) != expected.get(at)
    ]


def _wrong_gaps(world: World) -> list[str]:
    """What is said to be gone was gone: each gap ends where the log began for a while."""
    return [
        f"gap of {key}: {dead.reason}, but the log began at {sorted(world.logs.expired[key])}"
        for key in world.keys
        for dead in gaps(world, key)
        if dead.offset + dead.lost not in world.logs.expired[key]
    ]


def _wrong_losses(world: World) -> list[str]:
    """What vanished between two messages of a producer is missing, once; what retention took is not missing as well."""
    wrong = []
    for key in world.keys:
        if (found := world.service.missing(world.store.rows, key)) is None:
            continue
        begins = {dead.offset + dead.lost for dead in gaps(world, key)}
        expected, numbers = 0, dict[str, set[int]]()
        for record, (producer, seq) in heard(world, key):
            if record.offset in begins:
                expected += sum(map(_holes, numbers.values()))
                numbers.clear()
            if record.value != UNREADABLE:
                numbers.setdefault(producer, set()).add(seq)
        expected += sum(map(_holes, numbers.values()))
        if found != expected:
            wrong.append(f"missing of {key}: {found}, not {expected}")
    return wrong


def _holes(numbers: set[int]) -> int:
    return max(numbers) - min(numbers) + 1 - len(numbers)


def _wrong_publications(world: World) -> list[str]:
    """Equal revisions have equal contents, the last ones are the tables', and nothing new comes behind a tick."""
    wrong, contents, latest = [], {}, {}
    for key in world.keys:
        reached_ms = 0
        for record in world.log.records[Key(world.service.topic, key.partition)]:
            watermark_ms, rows = world.service.published(record.value or b"")
            for row in rows:
                known = contents.setdefault((row.at, row.revision), row.content)
                if known != row.content:
                    wrong.append(f"revision {row.revision} of {row.at}: {row.content} and {known}")
                if row.revision == 0 and row.at not in latest and row.at[0] + row.at[2] <= reached_ms:
                    wrong.append(f"{row.at} was published behind the tick of {reached_ms}")
                latest[row.at] = max(latest.get(row.at, 0), row.revision)
            if not rows:
                reached_ms = max(reached_ms, watermark_ms)
    stored = {at: content for at, (_, content) in world.service.rows(world.store.rows).items()}
    return wrong + _same("last publication of", {at: contents[at, n] for at, n in latest.items()}, stored)
