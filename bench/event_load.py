"""Fills topics with events before a run: batches as the gateway would have sent them, and plain JSON messages.

Milliseconds UTC. A twentieth are repeats, as from clients that did not receive an answer; a twentieth are funnel steps.
The events sent are counted here, and the tables are compared with that count.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import orjson
from msgspec import Raw

from bench import log
from shared.model.event import ERROR, FUNNEL_STEP
from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import now_ms
from shared.wire import events
from shared.wire.events import Event, partition_of
from shared.wire.topics import DEFAULT_PARTITIONS

REPEATS = 0.05
STEPS = 0.05
SPAN_MS = 600_000
"""Events happened within the last ten minutes."""

_TYPES = ("page_view", "click", "effect_applied", "search", "share", "session_start", "app_open", ERROR)


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a load."""

    events: int
    sessions: int
    events_a_message: int


@dataclass(frozen=True, slots=True)
class TopicLoad:
    """What a topic was filled with."""

    events: int
    distinct: int
    points: int
    """That must be derived."""
    steps: int
    """Of funnels."""
    messages: int
    message_bytes: int
    """Mean size before compression."""


async def fill(kafka: str, topic: str, tenant_id: int, plan: Plan) -> TopicLoad:
    """Batches of events for all partitions."""
    waiting: list[list[Event]] = [[] for _ in range(DEFAULT_PARTITIONS)]
    messages: list[tuple[int, bytes]] = []
    types: dict[str, str] = {}
    for event in _events(tenant_id, plan, plan.events):
        types[event.event_id] = event.type
        partition = partition_of(event, DEFAULT_PARTITIONS)
        waiting[partition].append(event)
        if len(waiting[partition]) == plan.events_a_message:
            messages.append((partition, _packed(waiting[partition])))
            waiting[partition] = []
    messages += [(partition, _packed(left)) for partition, left in enumerate(waiting) if left]
    await log.append(kafka, topic, messages)
    counted = Counter(types.values())
    return TopicLoad(
        events=plan.events,
        distinct=len(types),
        points=len(types) + counted[ERROR],
        steps=counted[FUNNEL_STEP],
        messages=len(messages),
        message_bytes=round(sum(len(value) for _, value in messages) / len(messages)),
    )


async def fill_naive(kafka: str, topic: str, tenant_id: int, plan: Plan, count: int) -> None:
    """One JSON message an event, in one partition."""
    await log.append(
        kafka, topic, [(0, msgspec.json.encode(event)) for event in _events(tenant_id, plan, count)]
    )


def _events(tenant_id: int, plan: Plan, count: int) -> Iterator[Event]:
    """The events in the order of their times."""
    chance = random.Random(5)
    first_ms = now_ms() - SPAN_MS
    recent: list[Event] = []
    for number in range(count):
        if recent and chance.random() < REPEATS:
            yield chance.choice(recent)
            continue
        event = _event(tenant_id, chance, plan.sessions)
        event.ts_ms = first_ms + SPAN_MS * number // count
        recent = [*recent[-200:], event] if number % 50 == 0 else recent
        yield event


def _event(tenant_id: int, chance: random.Random, sessions: int) -> Event:
    session = chance.randrange(sessions)
    step = chance.random() < STEPS
    type_ = FUNNEL_STEP if step else chance.choices(_TYPES, (40, 25, 10, 8, 5, 5, 4, 3))[0]
    body = {"funnel": "effect_creation"} if step else _body(chance)
    name = chance.choice(EFFECT_CREATION.steps) if step else f"{type_}_{chance.randrange(20)}"
    return Event(
        tenant_id, f"{chance.getrandbits(128):032x}", type_, 0, name, f"session-{session:06d}",
        f"user-{session % 700:06d}", Raw(orjson.dumps(body)),
    )  # fmt: skip


def _body(chance: random.Random) -> dict[str, object]:
    return {
        "path": f"/effects/{chance.randrange(900)}/edit", "device": chance.choice(("ios", "android", "web")),
        "app_version": f"4.{chance.randrange(9)}.{chance.randrange(9)}", "locale": "en-GB",
        "duration_ms": round(chance.lognormvariate(4, 1), 2), "retries": chance.randrange(3), "signed_in": True,
    }  # fmt: skip


def _packed(batch: list[Event]) -> bytes:
    return events.encode(events.EventBatch(max(event.ts_ms for event in batch) + 5, batch))
