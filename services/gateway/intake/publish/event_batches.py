"""Divides the events of many requests into one message for each partition, or several where they are large.

Milliseconds UTC and bytes. Events of one session keep the order of their arrival. No message exceeds the limits of its
readers or of the broker.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import Admitted, PendingEntries
from services.gateway.intake.publish.message_split import MAX_BYTES
from shared.ledger.entries import RECEIVED, Line
from shared.wire import events
from shared.wire.events import MAX_EVENTS, Event
from shared.wire.versions import OLD


@dataclass(slots=True)
class EventIntakeBatch:
    """The events of one request."""

    events: list[Event]
    received_at_ms: int
    admitted: Admitted
    """As it was counted at the door."""
    identity: Identity | None = None
    """What the key of its batch names."""

    overflowed = 0
    """Events belong to no series."""

    @property
    def taken(self) -> int:
        """How many events they are."""
        return len(self.events)

    def __len__(self) -> int:
        return len(self.events)


class EventBatches:
    """Messages of events; they need no numbers, for each event bears an id."""

    def __init__(self, partitions: int, version: int = OLD) -> None:
        self._version = version
        self._partitions = partitions
        self._pending = PendingEntries()

    def due_s(self) -> float:
        """Never: a quiet topic of events holds nothing open."""
        return math.inf

    def messages(
        self, batches: list[EventIntakeBatch], now_s: float, now_ms: int
    ) -> tuple[list[tuple[int, bytes]], int]:
        """The messages of a flush, and how many of them say no more than what was refused."""
        received_at_ms = max((batch.received_at_ms for batch in batches), default=now_ms)
        self._pending.add(batch.admitted for batch in batches)
        messages = []
        for partition, mine in sorted(self._owned(batches).items()):
            for entries, value in bounded(mine, received_at_ms, self._version):
                self._pending.carried(entries)
                messages.append((partition, value))
        rest = self._pending.rest()
        if not rest:
            return messages, 0
        # Refusals are rare, so that they may cost a message of their own.
        return [
            *messages,
            (0, events.encode(events.EventBatch(received_at_ms, [], list(rest)), self._version)),
        ], 1

    def _owned(self, batches: list[EventIntakeBatch]) -> dict[int, list[Event]]:
        """The events of each partition in order of arrival."""
        owned: dict[int, list[Event]] = {}
        sessions: dict[tuple[int, str], list[Event]] = {}
        for event in chain.from_iterable(batch.events for batch in batches):
            session = (event.tenant_id, event.session_id or "")
            mine = sessions.get(session) if event.session_id else None
            if mine is None:  # a session has one owner, so that only its first event needs a hash
                mine = owned.setdefault(events.partition_of(event, self._partitions), [])
                sessions[session] = mine
            mine.append(event)
        return owned


def bounded(mine: list[Event], received_at_ms: int, version: int) -> Iterator[tuple[list[Line], bytes]]:
    """The events as one message with its ledger entries, halved until each part is small enough."""
    rows = Counter([event.tenant_id for event in mine])
    entries = [Line(tenant_id, RECEIVED, number) for tenant_id, number in rows.items()]
    value = events.encode(events.EventBatch(received_at_ms, mine, list(entries)), version)
    if len(mine) == 1 or (len(value) <= MAX_BYTES and len(mine) <= MAX_EVENTS):
        yield entries, value
        return
    middle = len(mine) // 2
    yield from bounded(mine[:middle], received_at_ms, version)
    yield from bounded(mine[middle:], received_at_ms, version)
