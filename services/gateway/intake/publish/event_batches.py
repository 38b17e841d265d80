"""Divides the events of many requests into one message for each partition, or several where they are large.

Milliseconds UTC and bytes. Events of one session keep the order of their arrival. No message exceeds the limits of its
readers or of the broker.
"""

import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import Admitted, PendingEntries
from services.gateway.intake.publish.message_split import MAX_BYTES
from shared.ledger.entries import RECEIVED, Line
from shared.wire import events
from shared.wire.events import MAX_EVENTS, Event
from shared.wire.versions import OLD

MAX_SESSIONS = 100_000
"""Events after which the partitions of sessions are looked up anew, so that as many sessions are remembered at most."""


@dataclass(slots=True)
class EventIntakeBatch:
    """The events of one request."""

    events: list[Event]
    received_at_ms: int
    admitted: Admitted
    """As it was counted at the door."""
    identity: Identity | None = None
    """What the key of its batch names."""
    overflowed: int = 0
    """How many of them have a type beyond the tenant's limit."""

    @property
    def taken(self) -> int:
        """How many events they are."""
        return len(self.events)

    def __len__(self) -> int:
        return len(self.events)


class EventBatches:
    """Messages of events of one life of a producer; they need no numbers, for each event bears an id."""

    def __init__(self, partitions: int, version: int = OLD) -> None:
        self._version = version
        self._boot_id = uuid.uuid4().hex
        self._partitions = partitions
        self._pending = PendingEntries()
        self._sessions: defaultdict[int, dict[str | None, int]] = defaultdict(dict)
        self._remembered = 0

    def due_s(self) -> float:
        """Never: a quiet topic of events holds nothing open."""
        return math.inf

    def messages(
        self, batches: list[EventIntakeBatch], now_s: float, now_ms: int, away: Collection[int] = ()
    ) -> tuple[list[tuple[int, bytes]], int]:
        """The messages of a flush, and how many of them say no more than what was refused: none to those `away`."""
        received_at_ms = max((batch.received_at_ms for batch in batches), default=now_ms)
        self._pending.add(batch.admitted for batch in batches)
        messages = []
        for partition, mine in sorted(self._owned(batches).items()):
            for entries, value in bounded(mine, received_at_ms, self._version, self._boot_id):
                self._pending.carried(entries)
                messages.append((partition, value))
        there = next((one for one in range(self._partitions) if one not in away), None)
        rest = [] if there is None else self._pending.rest()
        if there is None or not rest:
            return messages, 0
        # Refusals are rare, so that they may cost a message of their own.
        return [
            *messages,
            (
                there,
                events.encode(
                    events.EventBatch(received_at_ms, [], list(rest), producer=self._boot_id), self._version
                ),
            ),
        ], 1

    def partitions_of(self, batch: EventIntakeBatch) -> set[int]:
        """The partitions that hold the events of a request."""
        return {events.partition_of(event, self._partitions) for event in batch.events}

    def _owned(self, batches: list[EventIntakeBatch]) -> dict[int, list[Event]]:
        """The events of each partition in order of arrival."""
        owned: list[list[Event]] = [[] for _ in range(self._partitions)]
        for batch in batches:
            known = self._sessions_of(batch)
            for event in batch.events:
                partition = known.get(event.session_id)
                if partition is None:
                    partition = events.partition_of(event, self._partitions)
                    if event.session_id:
                        known[event.session_id] = partition
                owned[partition].append(event)
        return {partition: mine for partition, mine in enumerate(owned) if mine}

    def _sessions_of(self, batch: EventIntakeBatch) -> dict[str | None, int]:
        """The partitions of the sessions of its tenant: a session has one owner, so that one look is enough."""
        if self._remembered > MAX_SESSIONS:
            self._sessions.clear()
            self._remembered = 0
        self._remembered += len(batch.events)
        return self._sessions[batch.admitted.tenant_id]


def bounded(
    mine: list[Event], received_at_ms: int, version: int, producer: str = ""
) -> Iterator[tuple[list[Line], bytes]]:
    """The events as one message with its ledger entries, halved until each part is small enough."""
    rows = Counter([event.tenant_id for event in mine])
    entries = [Line(tenant_id, RECEIVED, number) for tenant_id, number in rows.items()]
    value = events.encode(events.EventBatch(received_at_ms, mine, list(entries), producer=producer), version)
    if len(mine) == 1 or (len(value) <= MAX_BYTES and len(mine) <= MAX_EVENTS):
        yield entries, value
        return
    middle = len(mine) // 2
    yield from bounded(mine[:middle], received_at_ms, version, producer)
    yield from bounded(mine[middle:], received_at_ms, version, producer)
