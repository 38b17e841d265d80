"""How often blocks and answers were known, by tenant, layer and kind: `l1` is this process's memory, `l2` Redis.

A tenant sees its own figures alone; `/metrics` shows those of all. Counts are since the process began. Looking costs no
request anything.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.gateway.auth.bounded_map import BoundedMap, bound_of
from shared.runtime.instruments import Count, observe_counts

MAX_TENANTS = 10_000
"""Tenants whose figures are kept."""

LAYERS = ("l1", "l2")
ANSWERS = "answer"
"""What answers are called among kinds of blocks; only `l1` has them."""

OUTCOMES = ("hits", "misses", "invalid")
"""Invalid: there was an entry, and it is not what the tables hold now, or nobody can tell."""


@dataclass(slots=True)
class Figures:
    """Those of one tenant, or of all."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By layer, kind and outcome."""
    asked: int = 0
    """Blocks that were asked for."""
    loaded: int = 0
    """Those of them for which a table was read."""

    @property
    def hit_rate_percent(self) -> float | None:
        """Of the blocks asked for, the share for which no table was read."""
        return round(100 * (self.asked - self.loaded) / self.asked, 2) if self.asked else None


class Statistics:
    """The figures of a process."""

    def __init__(self) -> None:
        self.whole = Figures()
        """Those of all tenants."""
        self._tenants: BoundedMap[int, Figures] = BoundedMap(MAX_TENANTS)
        self.bound = bound_of("cache_tenants", self._tenants)

    def of(self, tenant_id: int) -> Figures:
        """The figures of a tenant."""
        found = self._tenants.get(tenant_id)
        if found is None:
            found = self._tenants[tenant_id] = Figures()
        return found

    def saw(self, tenant_id: int, layer: str, kind: str, outcome: str) -> None:
        """A layer was asked for a block."""
        for figures in (self.whole, self.of(tenant_id)):
            figures.counts[layer, kind, outcome] += 1

    def answered(self, tenant_id: int, *, loaded: bool) -> None:
        """A block was given out."""
        for figures in (self.whole, self.of(tenant_id)):
            figures.asked += 1
            figures.loaded += loaded


def shown(figures: Figures, kinds: Iterable[str], bytes_of: Mapping[str, int]) -> dict[str, object]:
    """The figures as they are answered; `bytes_of` is what each kind takes in this process."""
    blocks = list(kinds)
    layers = [
        {"layer": layer, "kind": kind}
        | {outcome: figures.counts[layer, kind, outcome] for outcome in OUTCOMES}
        | ({"bytes": bytes_of.get(kind, 0)} if layer == "l1" else {})
        for layer in LAYERS
        for kind in (*blocks, *([ANSWERS] if layer == "l1" else []))
    ]
    return {
        "hits": figures.asked - figures.loaded,
        "misses": figures.loaded,
        "hit_rate_percent": figures.hit_rate_percent,
        "layers": layers,
    }


def observe(meter: Meter, statistics: Statistics, failures: Callable[[], int]) -> None:
    """Give the cache its instruments."""
    whole = statistics.whole

    def looked(_: CallbackOptions) -> Iterable[Observation]:
        for (layer, kind, outcome), count in sorted(whole.counts.items()):
            yield Observation(count, {"layer": layer, "kind": kind, "outcome": outcome})

    def rate(_: CallbackOptions) -> Iterable[Observation]:
        return [] if whole.hit_rate_percent is None else [Observation(whole.hit_rate_percent)]

    meter.create_observable_counter(
        "gateway_cache_looks",
        [looked],
        description="Looks for blocks and answers, by layer, kind and outcome",
    )
    meter.create_observable_gauge(
        "gateway_cache_hit_rate_percent", [rate], description="Blocks for which no table was read"
    )
    observe_counts(
        meter,
        [Count("gateway_cache_failures", "Questions that Redis did not answer", failures)],
    )
