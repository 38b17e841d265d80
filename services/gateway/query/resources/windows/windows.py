"""The windows of one metric for an analyst: closed ones from the tables, live ones marked as such.

Times are milliseconds UTC. An answer has one row for each series and window; a closed window replaces a live one.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5
from typing import NamedTuple

from shared.errors import Rejected
from shared.model.labels import Labels
from shared.model.series import Series
from shared.model.window import BASE_MS, MAX_LEAD_MS, start_of

MAX_RANGE_MS = 31 * 24 * 3600 * 1000
"""Longest range of one query."""

MAX_LIMIT = 10_000
"""Most windows of one answer."""

MAX_QUANTILES = 20
"""Most quantiles of one query."""

LIVE_BEHIND_MS = 15 * 60 * 1000
"""How far back windows may still be live."""

LIVE_AHEAD_MS = MAX_LEAD_MS + BASE_MS
"""How far ahead windows may be live: that of the point that lies furthest ahead of its append time."""


NAMED = 200
"""Characters of the labels that order series; those that are alike so far stand in the order of a hash."""


class Position(NamedTuple):
    """Where a row stands in an answer: by window, then by kind, unit and labels."""

    start_ms: int
    kind: str
    unit: str
    labels: str
    """The first characters of the labels as Postgres writes them."""
    hash: str
    """MD5 of all of them: it tells apart, it proves nothing."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question about one metric of one tenant."""

    tenant_id: int
    """Who asks."""
    metric: str
    """Name of the metric."""
    labels: tuple[tuple[str, str], ...]
    """Pairs that a series must bear; it may bear more."""
    from_ms: int
    """Windows that start at or after this."""
    to_ms: int
    """Windows that start before this."""
    quantiles: tuple[float, ...]
    """Quantiles to give of each window, 0 to 1."""
    limit: int
    """Most windows to give."""
    resolution_ms: int = BASE_MS
    """Length of the windows: the tier."""
    after: Position | None = None
    """Rows that come after this one; None: all."""

    def matches(self, series: Series) -> bool:
        """Whether a series is asked for."""
        return (
            series.tenant_id == self.tenant_id
            and series.metric == self.metric
            and all(pair in series.labels for pair in self.labels)
        )

    def live_starts(self, now_ms: int) -> range:
        """Starts of the windows of the query that may be live now: those of the finest tier alone are shown."""
        if self.resolution_ms != BASE_MS:
            return range(0)
        first = start_of(max(self.from_ms, now_ms - LIVE_BEHIND_MS) + BASE_MS - 1)
        return range(first, min(self.to_ms, now_ms + LIVE_AHEAD_MS), BASE_MS)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window of one series, as it is now."""

    series: Series
    """Whose window."""
    start_ms: int
    """Start of the window."""
    count: float
    """Sum of weights."""
    sum: float
    """Sum of value times weight."""
    min: float | None
    """Smallest value, None when nothing of positive weight is left."""
    max: float | None
    """Largest value, None when nothing of positive weight is left."""
    last: float | None
    """Latest value by event time."""
    last_ms: int | None
    """Event time of `last`."""
    quantiles: tuple[float | None, ...]
    """In the order of the query."""
    revision: int
    """Log messages that changed it after it closed."""
    late_count: int
    """Points that came after it closed."""
    watermark_ms: int
    """Watermark of the partition when the row got this state."""
    final: bool
    """Closed by the watermark."""
    estimated: bool = False
    """Whether min and max are bounds, since something was taken back."""
    samples: int | None = None
    """Points that came, whatever their weights, less those that took something back; None: not known."""
    kept_up: bool = True
    """False: points that came later went into windows of the coarser tiers alone."""


def check(query: Query) -> Query:
    """The query itself; raise `Rejected` naming the parameter that is out of range."""
    if not query.metric:
        raise Rejected("invalid_metric", "metric: must be given")
    check_range(query.from_ms, query.to_ms)
    if not 1 <= query.limit <= MAX_LIMIT:
        raise Rejected("invalid_limit", f"limit: must be 1 to {MAX_LIMIT}")
    if len(query.quantiles) > MAX_QUANTILES or not all(0 <= q <= 1 for q in query.quantiles):
        raise Rejected("invalid_quantile", f"quantile: at most {MAX_QUANTILES}, each from 0 to 1")
    return query


def check_range(from_ms: int, to_ms: int) -> None:
    """Raise `Rejected` with code `invalid_range` unless the range is a range and short enough."""
    if from_ms >= to_ms:
        raise Rejected("invalid_range", "from: must be before to")
    if to_ms - from_ms > MAX_RANGE_MS:
        raise Rejected("invalid_range", "from: the range must be at most 31 days")


def merge(
    closed: Iterable[WindowRow], live: Iterable[WindowRow], limit: int, after: Position | None = None
) -> tuple[list[WindowRow], Position | None]:
    """At most `limit` rows in order, those after a position, and that of the last one where some were left out."""
    orders: dict[Series, Position] = {}
    rows = {_position(row, orders): row for row in live}
    rows |= {_position(row, orders): row for row in closed}
    ordered = sorted(position for position in rows if after is None or position > after)
    last = ordered[limit - 1] if len(ordered) > limit else None
    return [rows[position] for position in ordered[:limit]], last


def _position(row: WindowRow, orders: dict[Series, Position]) -> Position:
    """Where a row stands; what its series has to do with it is remembered in `orders`."""
    order = orders.get(row.series)
    if order is None:
        labels = written(row.series.labels)
        digest = md5(labels.encode(), usedforsecurity=False).hexdigest()
        order = orders[row.series] = Position(0, row.series.kind, row.series.unit, labels[:NAMED], digest)
    return order._replace(start_ms=row.start_ms)


def written(labels: Labels) -> str:
    """Labels as Postgres writes `jsonb`: short names first, equal ones by their bytes."""
    ordered = sorted(labels, key=lambda label: (len(name := label[0].encode()), name))
    return json.dumps(dict(ordered), ensure_ascii=False)
