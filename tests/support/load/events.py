"""A load of events whose result proves itself: no two of them share a series and a window.

So each row must count exactly 1 (of `rollup_10s`, or of `rollup_1m` for what is days old): a lost event leaves none, a
doubled one shows 2, and neither can make up for the other. Every event is sent at least three times, in several batches
and orders. Each event that Kafka acknowledged is expected in the tables once.
"""

import asyncio
import random
from collections import Counter
from typing import Any, Self

import aiokafka
import asyncpg
from msgspec import Raw

from services.ingest.domain.funnel import Occurrence, progress
from services.ingest.projections.events import series_of
from shared.model.event import ERROR, FUNNEL_STEP
from shared.model.funnel import EFFECT_CREATION
from shared.model.window import BASE_MS, start_of
from shared.runtime.clock import now_ms
from shared.wire import envelope, events
from shared.wire.events import Event, partition_of
from shared.wire.topics import EVENTS, MAX_MESSAGE_BYTES, METRICS

STEP_MS = 500
"""Event time between two rounds."""

FRESH = 18
"""New events of a round."""

TYPES = 400
"""A type comes again after more rounds than a window holds."""

AGAIN = 2
"""How often an event is sent besides the first time."""

LATE_MS = 3 * BASE_MS
STEP_WINDOW_MS = 60_000
BEFORE_MS = 3600 * 1000
"""How long ago event time begins: it runs faster than the clock."""

STEPS_AGO_MS = 4 * 24 * 3600 * 1000
"""Steps of funnels lie four days back, each in a minute of its own."""

WALKERS, WALK = 4, 12
"""Sessions in the funnel at a time, and how many steps each sends."""


class EventLoad:
    """Publishes rounds of events and knows what must come of them."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int, tenant_id: int, seed: int) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._partitions = partitions
        self._tenant_id = tenant_id
        self._random = random.Random(seed)
        self._clock_ms = now_ms() - BEFORE_MS
        self._first_step_ms = start_of(self._clock_ms - STEPS_AGO_MS, STEP_WINDOW_MS)
        self._number = 0
        self._ticks = 0
        self._again: list[list[Event]] = [[] for _ in range(partitions)]
        self.sent: dict[str, Event] = {}
        """Event id -> event, of all that Kafka has."""
        self.poison: set[tuple[int, int]] = set()
        """(partition, offset) of records that must become dead letters."""

    async def __aenter__(self) -> Self:
        self._producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=2 * MAX_MESSAGE_BYTES,
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def rounds(self, count: int, pause_s: float = 0.0) -> None:
        """Publish so many rounds."""
        for _ in range(count):
            await self._round()
            await asyncio.sleep(pause_s)

    async def until(self, stop: asyncio.Event, pause_s: float = 0.05) -> None:
        """Publish rounds until told to stop."""
        while not stop.is_set():
            await self.rounds(1, pause_s)

    async def spoil(self, value: bytes) -> None:
        """Put a record that cannot be decoded into every partition."""
        for partition in range(self._partitions):
            topic = self._prefix + EVENTS.name
            placed = await self._producer.send_and_wait(topic, value, partition=partition)
            self.poison.add((partition, placed.offset))

    async def finish(self) -> None:
        """Send what is still to be sent again."""
        for partition, due in enumerate(self._again):
            self._random.shuffle(due)
            for begin in range(0, len(due), 50):
                await self._send(partition, due[begin : begin + 50])
            due.clear()

    async def close_windows(self) -> None:
        """Carry the time of the points forward to now: every window has closed."""
        self._ticks += 1
        tick = envelope.tick(f"load-{self._tenant_id}", self._ticks, now_ms())
        for partition in range(self._partitions):
            await self._producer.send_and_wait(self._prefix + METRICS.name, tick, partition=partition)

    async def _round(self) -> None:
        self._clock_ms += STEP_MS
        fresh: list[list[Event]] = [[] for _ in range(self._partitions)]
        for _ in range(FRESH):
            event = self._event()
            fresh[partition_of(event, self._partitions)].append(event)
            self.sent[event.event_id] = event
        await asyncio.gather(*(self._publish(partition, new) for partition, new in enumerate(fresh)))

    async def _publish(self, partition: int, new: list[Event]) -> None:
        due = self._again[partition]
        self._random.shuffle(due)
        old, due[:] = due[: 3 * len(new)], due[3 * len(new) :]
        due += new * AGAIN
        mixed = [*new, *old[: len(new)]]
        self._random.shuffle(mixed)
        for batch in (mixed, old[len(new) :]):
            if batch:
                # A producer that crashed between append and ack sends the same message again.
                for _ in range(2 if self._random.random() < 0.1 else 1):
                    await self._send(partition, batch)

    async def _send(self, partition: int, batch: list[Event]) -> None:
        value = events.encode(events.EventBatch(self._clock_ms, batch))
        await self._producer.send_and_wait(self._prefix + EVENTS.name, value, partition=partition)

    def _event(self) -> Event:
        number, self._number = self._number, self._number + 1
        if number % 5 == 3:
            return self._step(number // 5)
        type_, ts_ms = f"t{number % TYPES}", self._clock_ms
        if number % TYPES == 11:
            type_ = ERROR
        elif number % 7 == 0:
            type_, ts_ms = f"late{number % TYPES}", self._clock_ms - LATE_MS
        session = f"s{self._random.randrange(40)}" if number % 3 else None
        user = f"u{self._random.randrange(9)}" if number % 2 else None
        body = Raw(b'{"n":%d}' % number)
        return Event(self._tenant_id, f"e{number}", type_, ts_ms, f"n{number % 9}", session, user, body)

    def _step(self, number: int) -> Event:
        session = f"walk{number % WALKERS + WALKERS * (number // (WALKERS * WALK))}"
        at = number // WALKERS % WALK
        step = EFFECT_CREATION.steps[min(8, max(0, at + self._random.choice((0, 0, 0, 0, 1, -1))))]
        body = Raw(b'{"funnel":"effect_creation"}')
        ts_ms = self._first_step_ms + number * STEP_WINDOW_MS
        return Event(self._tenant_id, f"step{number}", FUNNEL_STEP, ts_ms, step, session, None, body)


async def wrong_events(postgres: str, load: EventLoad, tenant_id: int) -> list[str]:
    """What is wrong with the tables, a line each: empty when every event is there and counted exactly once."""
    conn = await asyncpg.connect(postgres)
    try:
        found = [
            Counter(map(tuple, await conn.fetch(query, tenant_id))) for query in (_EVENTS, _CELLS, _FUNNELS)
        ]
    finally:
        await conn.close()
    wanted = [Counter(rows(load)) for rows in (_events, _cells, _funnels)]
    return [
        f"{name} {row}: {have[row]} times, not {want[row]}"
        for name, have, want in zip(("event", "rollup", "funnel"), found, wanted, strict=True)
        for row in sorted(have.keys() | want.keys(), key=repr)
        if have[row] != want[row]
    ]


_EVENTS = """
SELECT event_id, type, (extract(epoch FROM ts) * 1000)::bigint, name, session_id, user_id, properties->>'n'
FROM event WHERE tenant_id = $1
"""
_CELLS = """
SELECT metric, labels->>'type', (extract(epoch FROM window_start) * 1000)::bigint, count, sum
FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 AND labels->>'type' IS DISTINCT FROM 'funnel_step'
UNION ALL
SELECT metric, labels->>'type', (extract(epoch FROM window_start) * 1000)::bigint, count, sum
FROM rollup_1m JOIN series USING (series_id) WHERE tenant_id = $1 AND labels->>'type' = 'funnel_step'
"""
_FUNNELS = """
SELECT session_id, reached, (extract(epoch FROM first_at) * 1000)::bigint, out_of_order, cardinality(step)
FROM funnel_entry WHERE tenant_id = $1
"""


def _events(load: EventLoad) -> list[tuple[Any, ...]]:
    numbers = {
        one.event_id: None if one.type == FUNNEL_STEP else one.event_id[1:] for one in load.sent.values()
    }
    return [
        (e.event_id, e.type, e.ts_ms, e.name, e.session_id, e.user_id, numbers[e.event_id])
        for e in load.sent.values()
    ]


def _cells(load: EventLoad) -> list[tuple[Any, ...]]:
    cells = [
        (series.metric, dict(series.labels).get("type"), start_of(event.ts_ms), 1.0, 1.0)
        for event in load.sent.values()
        for series in series_of(event.tenant_id, event.type)
    ]
    assert len(set(cells)) == len(cells), "two events share a series and a window"
    return cells


def _funnels(load: EventLoad) -> list[tuple[Any, ...]]:
    walks: dict[str, list[Occurrence]] = {}
    for event in load.sent.values():
        if event.type == FUNNEL_STEP and event.session_id:
            step = Occurrence(event.ts_ms, EFFECT_CREATION.step(event.name))
            walks.setdefault(event.session_id, []).append(step)
    came = {session: progress(walk) for session, walk in walks.items()}
    return [
        (session, len(one.reached_ms), one.first_ms, one.out_of_order, len(walks[session]))
        for session, one in came.items()
    ]
