"""Types of events are limited as series are: each becomes a series of `events.count`, whose types clients make up.

Milliseconds UTC. Beyond its limit of active series a tenant's events of new types get the type `overflow`; their own
becomes their name, where they have none. Invariant: a type that is in stays in while its events come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from services.gateway.auth.bounded_map import BoundedMap
from services.gateway.intake.domain.series_limit import MAX_TENANTS, OVERFLOW, ActiveSeries, SeriesLimiter
from services.gateway.intake.protocols.vocabulary import TYPES
from shared.model.event import ERROR, FUNNEL_STEP, MAX_NAME
from shared.model.series import Series
from shared.wire.events import Event
from shared.wire.series import SeriesId, pack

EVENTS_COUNT = "events.count"
"""The metric that ingest makes of events, by type."""


OURS = TYPES | {ERROR, FUNNEL_STEP}
"""Types that the system gives a meaning: they are few, and always in."""


@dataclass(slots=True)
class KnownTypes:
    """The types of a tenant that are in, while its active series are the same."""

    generation: int
    types: set[str] = field(default_factory=lambda: set(OURS))


class EventTypes:
    """The types of all tenants, among their active series."""

    def __init__(self, series_limiter: SeriesLimiter, id_of: SeriesId) -> None:
        self._active = series_limiter
        self._id_of = id_of
        self._tenants: BoundedMap[int, KnownTypes] = BoundedMap(MAX_TENANTS)

    def within_limit(
        self, events: list[Event], types: Sequence[str], tenant_id: int, now_ms: int
    ) -> tuple[list[Event], int]:
        """The events, of which those of types that find no room are of type `overflow`, and how many these are.

        `types` are theirs, and maybe others. Raises `Unavailable` while series have no ids yet.
        """
        active = self._active.at(tenant_id, now_ms)
        known = self._tenants.get(tenant_id)
        if known is None or known.generation != active.generation:
            known = self._tenants[tenant_id] = KnownTypes(active.generation)
        if known.types.issuperset(types):
            return events, 0
        new = {event.type for event in events} - known.types
        refused = {type_ for type_ in sorted(new) if not self._enters(active, tenant_id, type_)}
        known.types |= new - refused
        return [_overflow(event) if event.type in refused else event for event in events], sum(
            event.type in refused for event in events
        )

    def _enters(self, active: ActiveSeries, tenant_id: int, type_: str) -> bool:
        counted = Series(tenant_id, EVENTS_COUNT, "delta", "", (("type", type_),))
        return active.admit(counted, lambda one: self._id_of(pack(one))) is counted


def _overflow(event: Event) -> Event:
    return replace(event, type=OVERFLOW, name=event.name or event.type[:MAX_NAME])
