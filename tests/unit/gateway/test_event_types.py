"""Types of events that clients make up: limited as series are, and counted all the same."""

from msgspec import Raw

from services.gateway.intake.adapters.event_types import EventTypes
from services.gateway.intake.domain.series_limit import SPAN_MS, SeriesLimiter
from shared.wire.events import Event
from shared.wire.series import series_id

NOW = 1_790_000_000_000


def event(type_: str, name: str = "") -> Event:
    """An event of tenant 7."""
    return Event(7, f"id {type_}", type_, NOW, name, None, None, Raw(b"{}"))


def limited(limit: int) -> EventTypes:
    """Types under a limit of tenant 7."""
    limiter = SeriesLimiter()
    limiter.retune(7, limit)
    return EventTypes(limiter, series_id)


def judged(types: EventTypes, events: list[Event], now_ms: int) -> tuple[list[Event], int]:
    """The events of tenant 7 within its limit, and how many are beyond it."""
    return types.within_limit(events, [each.type for each in events], 7, now_ms)


def test_events_of_new_types_beyond_the_limit_are_of_one() -> None:
    """Two hundred types of a tenant that may have twenty series. Source: knative/eventing#1423."""
    events = [event(f"t{at:03}") for at in range(200)]

    found, overflowed = judged(limited(20), events, NOW)

    assert ([f"t{at:03}" for at in range(20)], 180) == ([each.type for each in found[:20]], overflowed)
    assert {("overflow", f"t{at:03}") for at in range(20, 200)} == {
        (each.type, each.name) for each in found[20:]
    }
    assert [each.event_id for each in events] == [each.event_id for each in found]


def test_a_name_is_kept() -> None:
    """The type that has no room is only told where there is room for it."""
    (first, second), _ = judged(limited(1), [event("a"), event("b", "mine")], NOW)

    assert (("a", ""), ("overflow", "mine")) == ((first.type, first.name), (second.type, second.name))


def test_a_type_that_is_in_stays_in() -> None:
    """While its events come; one that was silent makes room."""
    types = limited(1)
    first = judged(types, [event("a")], NOW)[1]
    again = judged(types, [event("b"), event("a")], NOW + 1)[1]
    later = judged(types, [event("b")], NOW + 2 * SPAN_MS)[1]

    assert [0, 1, 0] == [first, again, later]


def test_types_of_the_system_are_always_in() -> None:
    """An error is an error, and a step a step, whatever else a tenant sends."""
    types = limited(1)
    judged(types, [event("mine")], NOW)

    assert 0 == judged(types, [event("error"), event("funnel_step"), event("page_view")], NOW)[1]
