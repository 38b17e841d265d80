"""Which events are new: an event is known by its tenant and its id, for seven days of the log's time.

Times are milliseconds UTC. Ids are stored under the day on which the broker appended their event. Invariant: the
verdict on an event follows from the log up to it, so every owner of its partition reaches the same one, before a crash
or after.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from shared.model.event import REMEMBERED_MS

DAY_MS = 24 * 3600 * 1000
"""Ids are remembered and forgotten by whole days."""

_NEVER = -1

Id: TypeAlias = tuple[int, str]
"""Tenant and event id."""


class Identified(Protocol):
    """The part of an event that identifies it."""

    @property
    def tenant_id(self) -> int:
        """Whose it is."""

    @property
    def event_id(self) -> str:
        """Its id within the tenant."""


E = TypeVar("E", bound=Identified)


def ids_of(events: Sequence[Identified]) -> list[Id]:
    """The ids of events, in their order."""
    return [(event.tenant_id, event.event_id) for event in events]


def day_of(appended_at_ms: int) -> int:
    """Start of the day (UTC) under which an id is remembered."""
    return appended_at_ms - appended_at_ms % DAY_MS


def oldest_day(appended_at_ms: int) -> int:
    """The first day whose ids make an event that was appended now a repeat."""
    return day_of(appended_at_ms - REMEMBERED_MS)


def new_ones(events: Sequence[E], known: Mapping[Id, int], appended_at_ms: int, earlier: set[Id]) -> list[E]:
    """The events that are neither among `known` ids (with their latest days) nor `earlier` ones, which it extends."""
    oldest_ms = oldest_day(appended_at_ms)
    found = []
    for event in events:
        one = (event.tenant_id, event.event_id)
        if one not in earlier and known.get(one, _NEVER) < oldest_ms:
            earlier.add(one)
            found.append(event)
    return found
