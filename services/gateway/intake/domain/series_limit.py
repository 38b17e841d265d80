"""Which series of a tenant are active, and where points go whose series would exceed the limit.

Milliseconds UTC. A series is active from its first point until it has been silent for one span or two. Invariant: an
active series stays active while points come, no other series enters beyond the limit, and totals by metric stay right.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.gateway.auth.bounded_map import BoundedMap, bound_of
from services.gateway.auth.ports import DEFAULT_MAX_SERIES
from shared.errors import Rejected
from shared.model.bound import Bound
from shared.model.series import Series

SPAN_MS = 15 * 60 * 1000
"""A series that is silent for so long may make room, and for twice as long will."""

OVERFLOW = "overflow"
"""The label of overflow series, and the metric of the last of them."""

LABELS = ((OVERFLOW, "true"),)
"""The labels of every overflow series."""

OVERFLOW_SHARE = 10
"""One overflow series for so many series of the limit: metrics, kinds and units can be made up as well."""

SUMMABLE = frozenset({"gauge", "delta"})
"""Kinds whose points of many series may be counted into one; running totals of two series are no total."""

CODE = "series_limit"

MAX_TENANTS = 10_000
"""Tenants whose active series are kept; beyond it the one whose limit was asked for longest ago is judged anew."""


@dataclass(frozen=True, slots=True)
class SeriesLimitWarning:
    """What a client should know although its points were taken."""

    code: str
    """Stable name of the reason."""
    points: int
    """How many points it is about."""
    message: str
    """What happened and what to do about it."""


@dataclass(slots=True)
class Active:
    """Series seen in this span and in the one before, here and at other gateways; each is in one of the four sets."""

    recent: set[int] = field(default_factory=set)
    older: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    elsewhere_older: set[int] = field(default_factory=set)
    untold: set[int] = field(default_factory=set)
    """Recent ones that other gateways have not been told of."""

    def enter(self, series_id: int, limit: int) -> bool:
        """Whether the series is in, or there is room for it."""
        if series_id in self.recent:
            return True
        others = self.older, self.elsewhere, self.elsewhere_older
        if len(self) >= limit and not any(series_id in each for each in others):
            return False
        for each in others:
            each.discard(series_id)
        self.recent.add(series_id)
        self.untold.add(series_id)
        return True

    def learn(self, ids: Iterable[int]) -> bool:
        """These are active elsewhere; whether any was not known."""
        new = set(ids) - self.recent - self.elsewhere
        if not new:
            return False
        self.older -= new
        self.elsewhere_older -= new
        self.elsewhere |= new
        return True

    def turn(self) -> None:
        """Begin a new span and forget who was silent in the last."""
        self.recent, self.older = set(), self.recent
        self.elsewhere, self.elsewhere_older = set(), self.elsewhere
        self.untold.clear()

    def here(self) -> int:
        """How many this process has seen."""
        return len(self.recent) + len(self.older)

    def __len__(self) -> int:
        return self.here() + len(self.elsewhere) + len(self.elsewhere_older)


class ActiveSeries:
    """The active series of one tenant, as far as this process sees them or has been told of them."""

    def __init__(self, limit: int, now_ms: int) -> None:
        self.limit = limit
        """How many may be active."""
        self.generation = 0
        """Rises when series must be judged anew; until then a verdict may be remembered."""
        self.series = Active()
        self.overflows = Active()
        self._since_ms = now_ms
        self._sent_away = False

    def turn(self, now_ms: int) -> None:
        """Begin a new span when the present one is over, or the clock was set back."""
        age_ms = now_ms - self._since_ms
        if 0 <= age_ms < SPAN_MS:
            return
        for _ in range(2 if age_ms >= 2 * SPAN_MS else 1):
            self.series.turn()
            self.overflows.turn()
        self._since_ms = now_ms
        self.generation += 1

    def retune(self, limit: int) -> None:
        """Follow a changed limit; a lower one sends no one away."""
        if limit != self.limit:
            self.limit = limit
            self.generation += 1

    def learn(self, series: Iterable[int], overflows: Iterable[int]) -> None:
        """These are active at other gateways; whoever was sent away may be among them, and is judged anew."""
        learnt = [self.series.learn(series), self.overflows.learn(overflows)]
        if any(learnt) and self._sent_away:
            self._sent_away = False
            self.generation += 1

    def admit(self, series: Series, series_id: Callable[[Series], int]) -> Series:
        """The series that its points count into; raise `Rejected` for running totals that find no room."""
        if self.series.enter(series_id(series), self.limit):
            return series
        self._sent_away = True
        if series.kind not in SUMMABLE:
            raise Rejected(CODE, f"labels: a new running total beyond {self.limit} active series")
        metric = Series(series.tenant_id, series.metric, series.kind, series.unit, LABELS)
        if self.overflows.enter(series_id(metric), max(1, self.limit // OVERFLOW_SHARE)):
            return metric
        return Series(series.tenant_id, OVERFLOW, series.kind, "", LABELS)


class SeriesLimiter:
    """The active series of all tenants that have sent something."""

    def __init__(self, max_tenants: int = MAX_TENANTS) -> None:
        self._limits: BoundedMap[int, int] = BoundedMap(max_tenants)
        self._active: BoundedMap[int, ActiveSeries] = BoundedMap(max_tenants)
        self.asked: set[int] = set()
        """Tenants that something came from since somebody emptied this."""

    def at(self, tenant_id: int, now_ms: int) -> ActiveSeries:
        """The active series of a tenant as they are now."""
        self.asked.add(tenant_id)
        active_series = self._active.get(tenant_id)
        if active_series is None:
            active_series = self._active[tenant_id] = ActiveSeries(
                self._limits.get(tenant_id, DEFAULT_MAX_SERIES), now_ms
            )
        active_series.turn(now_ms)
        return active_series

    def retune(self, tenant_id: int, limit: int) -> None:
        """Follow a tenant's limit."""
        self._limits[tenant_id] = limit
        if (active_series := self._active.get(tenant_id)) is not None:
            self._active[tenant_id] = active_series
            active_series.retune(limit)

    def known(self, tenant_id: int) -> ActiveSeries | None:
        """The active series of a tenant, None while nothing is known of it."""
        return self._active.get(tenant_id)

    def bound(self) -> Bound:
        """Tenants with active series."""
        return bound_of("active_series", self._active)

    def active(self) -> int:
        """Active series of all tenants that this process has seen, overflow series among them."""
        return sum(
            active_series.series.here() + active_series.overflows.here()
            for active_series in self._active.values()
        )


def warnings(overflowed: int, limit: int) -> list[SeriesLimitWarning]:
    """What to say to a client of whose points so many went into overflow series."""
    if not overflowed:
        return []
    message = (
        f"points of new series beyond {limit} active series were counted under the label {OVERFLOW}='true', and events "
        f"of new types under the type {OVERFLOW}; use labels or types of fewer values, or ask for a higher limit"
    )
    return [SeriesLimitWarning(CODE, overflowed, message)]
