"""What must be true of a world at rest: each check runs for every seed."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from shared.stream.processor import DeadLetter, Key
from shared.stream.pump import Pump
from tests.simulation.service import TOTALS, At
from tests.simulation.world import World
from tests.support.simulated.kafka import MemoryLog, MemoryLogReader, MemorySender
from tests.support.simulated.loop import SimulatedLoop
from tests.support.simulated.network import Network
from tests.support.simulated.store import MemoryCheckpoints, MemoryStore


def judge(world: World) -> list[str]:
    """What is wrong, a line each."""
    return [
        *_same("", _lasting(world, world.store.rows), _lasting(world, peaceful(world))),
        *_wrong_sums(world),
        # What was published of records that the log has lost since cannot be taken back.
        *([] if world.logs.lost else _wrong_publications(world)),
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
            pump.take(key, [world.service.restamped(record) for record, _ in world.logs.history(key)])
        await pump.commit()

    loop.run(fold())
    return store.rows


def _lasting(world: World, stored: Mapping[Any, Any]) -> dict[Any, Any]:
    """Rows, dead letters and checkpoints, but for what tells of owners and of the moments of commits."""
    lasting: dict[Any, Any] = {place: row for place, row in stored.items() if isinstance(row, DeadLetter)}
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
    """By plain addition of what was sent, without a line of the service: each point counts once."""
    expected: Counter[At] = Counter()
    for key, messages in world.sent.items():
        for label in {label for _, label in world.logs.history(key)}:
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
