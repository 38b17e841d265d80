"""What questions need from outside. Times are milliseconds UTC.

What is loaded is as of one instant of the database: rows, places in the log and watermarks belong together.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from services.gateway.query.questions.grouped import Grouped, Part
from services.gateway.query.questions.selection import Selection
from shared.model.labels import Labels
from shared.model.series import Series

Answer: TypeAlias = dict[str, Any]
"""Figures as they are answered, arrays in it numpy's. Whoever gets one changes nothing in it."""


class Standing(NamedTuple):
    """Where a partition of the topic of points stood."""

    next_offset: int
    watermark_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Closed rows of a selection, as of one instant."""

    rows: Grouped
    standing: Mapping[int, Standing]
    """By partition."""

    @property
    def as_of(self) -> dict[int, int]:
        """The offset below which everything is in the rows, by partition."""
        return {partition: one.next_offset for partition, one in self.standing.items()}


class Blocks(Protocol):
    """Knows closed rows."""

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """Rows of the windows of a tier that start in [from, to). Raises `Refused` where this costs too much."""
        ...


class KnownBlocks(Protocol):
    """Knows blocks of closed rows, which may have been loaded before."""

    async def block(
        self, selection: Selection, tier_ms: int, block_start_ms: int, now_ms: int, seen: Mapping[int, int]
    ) -> Grouped:
        """The rows of a block, no older than where the partitions were `seen` to stand. Raises as `Blocks` does."""
        ...

    async def tail(
        self, selection: Selection, from_ms: int, to_ms: int, now_ms: int, seen: Mapping[int, int]
    ) -> Loaded:
        """Rows of 10 s of a range within a block that has not closed everywhere; else as `block`."""
        ...


class Tables(Blocks, Protocol):
    """Knows closed rows at first hand."""

    async def standing(self) -> Mapping[int, Standing]:
        """Where each partition stands now."""
        ...


ArchivedSince = Callable[[], Awaitable[Mapping[int, int]]]
"""Since when, milliseconds UTC, the archive has all rows of a tier; nothing of a tier that it does not have."""


async def nothing_archived() -> Mapping[int, int]:
    """There is no archive."""
    return {}


@dataclass(slots=True)
class Reading:
    """What it took to answer."""

    loads: int = 0
    """How often tables were read for closed blocks."""
    hits: int = 0
    """Blocks that were known already."""
    live_available: bool = True
    """False: live windows could not be read, so what has not closed is missing."""

    @property
    def live(self) -> str:
        """The same as answers say it."""
        return "available" if self.live_available else "unavailable"


READING: ContextVar[Reading | None] = ContextVar("reading", default=None)
"""Of the request that is being answered."""


@contextmanager
def reading() -> Iterator[Reading]:
    """Count what is read within."""
    token = READING.set(found := Reading())
    try:
        yield found
    finally:
        READING.reset(token)


class LivePart(NamedTuple):
    """Windows that may not be in the tables yet, of one partition: open ones, and those that have just closed."""

    partition: int
    part: Part
    final: bool = False
    """They have closed just now; False: they are open."""


class LiveParts(list[LivePart]):
    """Live windows of the log, and what they are made of.

    What it says has closed is in the tables, or will be read as touched: so rows that are known may stand beside it.
    """

    def __init__(self, parts: Iterable[LivePart], state: tuple[int, ...] = ()) -> None:
        super().__init__(parts)
        self.state = state
        """Equal for equal parts of one range."""


class LiveWindows(Protocol):
    """Knows live windows."""

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> Sequence[LivePart]:
        """Windows of 10 s that start in [from, to); `LiveParts` where they come from the log. Raises `Unavailable`."""
        ...


class KnownAnswers(Protocol):
    """Knows answers that were made."""

    async def answer(
        self, tenant_id: int, key: bytes, state: Hashable | None, make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """The answer of a question that was made of this state, else what `make` makes. Raises as `make` does."""
        ...


@dataclass(frozen=True, slots=True)
class MetricKind:
    """What a metric comes as."""

    kind: str
    unit: str
    series: int
    """How many series there are."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a tenant."""

    name: str
    kinds: tuple[MetricKind, ...]
    """As what it comes, those with the most series first."""


class Sought(NamedTuple):
    """Which series are looked for."""

    tenant_id: int
    metrics: tuple[str, ...] | None
    """None: all."""
    bearing: Labels
    """Labels that they must have, none of them empty."""


MAX_AGE_S = 10.0
"""How old what is known of metrics and labels may be."""


class Catalogue(Protocol):
    """Knows which metrics, labels, values and series there are; whatever is asked is asked of it."""

    async def metrics(self, tenant_id: int, newer_than_s: float = MAX_AGE_S) -> Sequence[Metric]:
        """All metrics of a tenant by name; the very same answer for as long as it is new enough."""
        ...

    async def labels(self, tenant_id: int, metric: str) -> Mapping[str, int]:
        """The labels of a metric, and how many values each has; empty for an unknown metric."""
        ...

    async def label_names(self, sought: Sought) -> Sequence[str]:
        """The names of labels of some series, ascending."""
        ...

    async def values(self, sought: Sought, label: str, prefix: str, limit: int) -> Sequence[str]:
        """Up to `limit` values of a label of some series that begin with a prefix, ascending."""
        ...

    async def series(self, sought: Sought, limit: int) -> Sequence[Series]:
        """Up to `limit` series."""
        ...
