"""Holds prepared groups against the rows of their series, window by window and set by set, for the audit.

Times are milliseconds UTC. What is compared has closed in every partition, and all partitions keep its set since then.
Sums and weights may differ by rounding, for fractions are added in another order; whole figures may not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deploy.postgres.prepared.backfill import KeptSet, kept_sets, label_sets_of, routed_by
from deploy.postgres.prepared.series_rows import SeriesRows, Span
from shared.model.rollup import Floats, Ints, Rollups
from shared.model.window import TIERS_MS
from shared.postgres.connections import AnyConnection
from shared.postgres.instants import at
from shared.prepared import tables
from shared.prepared.grouping import GroupKey, PreparedRow
from shared.prepared.label_sets import matches
from shared.prepared.tables import GROUP_TABLES, SERIES_TABLES

MOST_ROWS = 500_000
"""Rows of series in a tier beyond which no older window is looked at."""

NAMED = 10
"""Rows that differ and are named, of a tier."""

_FEW_ROWS = 100_000
_EXACT = ("revision", "late_count", "estimated", "last", "last_ms", "distinct_at", "register", "rank")
_NEAR = 1e-9

_FOUND = """
SELECT window_start, tenant_id, metric, label_set, packed FROM {} WHERE topic = $1
    AND window_start >= $2 AND window_start < $3 ORDER BY window_start, topic, partition
"""

_OLDEST = "SELECT (extract(epoch FROM min(window_start)) * 1000)::bigint FROM {}"


class GroupMismatch(NamedTuple):
    """A row of prepared groups that is not the merge of the rows of its series."""

    window_ms: int
    key: GroupKey
    columns: Sequence[str]
    """In what; empty: one of the two is not there."""
    expected: tuple[float, float] | None
    """Count and sum of the rows of its series; None: there are none."""
    found: tuple[float, float] | None


@dataclass(slots=True)
class GroupTier:
    """A comparison of the groups of one tier."""

    resolution_ms: int
    since_ms: int
    """Start of the oldest window that was compared."""
    compared: int
    """Rows of groups."""
    mismatches: list[GroupMismatch]


async def compare(
    conn: AnyConnection, topic: str, spans: Mapping[int, tuple[int, int]], tenant_id: int | None
) -> list[GroupTier]:
    """Compare the windows of each tier's span, the newest first; only those of a tenant if one is given."""
    found = []
    for tier in TIERS_MS:
        kept = [one for one in await kept_sets(conn, topic, tier) if one.everywhere]
        oldest_ms = await conn.fetchval(_OLDEST.format(SERIES_TABLES[tier]))
        if tier in spans and kept and oldest_ms is not None:
            begin_ms, end_ms = spans[tier]
            reader = SeriesRows(label_sets_of(kept), await routed_by(conn, topic))
            first_ms = max(begin_ms, oldest_ms, min(one.since_ms for one in kept))
            span = Span(tier, int(first_ms), end_ms)
            if span.begin_ms < span.end_ms:
                found.append(await _Comparison(conn, topic, kept, reader, tenant_id).of(span))
    return found


@dataclass(slots=True)
class _Comparison:
    conn: AnyConnection
    topic: str
    kept: Sequence[KeptSet]
    reader: SeriesRows
    tenant_id: int | None

    async def of(self, span: Span) -> GroupTier:
        tier, begin_ms, end_ms = span
        found, windows, read = GroupTier(tier, end_ms, 0, []), 1, 0
        while found.since_ms > begin_ms and read < MOST_ROWS:
            portion = Span(tier, max(begin_ms, found.since_ms - windows * tier), found.since_ms)
            rows = await self._compare(portion, found)
            found.since_ms, read = portion.begin_ms, read + rows
            windows = windows * 2 if 2 * rows <= _FEW_ROWS else max(1, windows // 2)
        return found

    async def _compare(self, span: Span, result: GroupTier) -> int:
        tier, begin_ms, end_ms = span
        rows = await self.reader.read(self.conn, span)
        stored = await self.conn.fetch(
            _FOUND.format(GROUP_TABLES[tier]), self.topic, at(begin_ms), at(end_ms)
        )
        wanted = self._by_place(self.reader.whole(rows))
        found = self._by_place(self.reader.together(map(tables.decoded, stored)))
        for place in sorted(wanted.keys() | found.keys()):
            columns = differences(wanted.get(place), found.get(place))
            result.compared += 1
            if columns is not None and len(result.mismatches) < NAMED:
                figures = (_figures(each.get(place)) for each in (wanted, found))
                result.mismatches.append(GroupMismatch(*place, columns, *figures))
        return len(rows)

    def _by_place(self, rows: Iterable[PreparedRow]) -> dict[tuple[int, GroupKey], PreparedRow]:
        """Those that are meant: of sets that are kept since before their window."""
        return {(row.start_ms, row.key): row for row in rows if self._is_meant(row.start_ms, row.key)}

    def _is_meant(self, start_ms: int, key: GroupKey) -> bool:
        return self.tenant_id in {None, key.tenant_id} and any(
            one.label_set == key.label_set and one.since_ms <= start_ms and matches(one.pattern, key.metric)
            for one in self.kept
        )


def differences(expected: PreparedRow | None, found: PreparedRow | None) -> Sequence[str] | None:
    """In what groups differ from the merges of their series; None: in nothing."""
    if expected is None or found is None:
        return ()
    if expected.series != found.series:
        return ("groups",)
    return list(_columns(expected.rollups, found.rollups)) or None


def _columns(expected: Rollups, found: Rollups) -> Iterator[str]:
    for name in _EXACT:
        if not np.array_equal(getattr(expected, name), getattr(found, name)):
            yield name
    finite = [np.where(np.isfinite(each), np.abs(each), 0) for each in (expected.min, expected.max)]
    size = np.maximum(*finite) * np.abs(expected.count) + np.abs(expected.sum)
    for name, limit in (
        ("count", np.abs(expected.count)),
        ("samples", np.abs(expected.count)),
        ("sum", size),
    ):
        if not _near(getattr(expected, name), getattr(found, name), limit):
            yield name
    if not _same_sketches(expected, found):
        yield "sketch"
    elif not all(_near(getattr(expected, name), getattr(found, name), size) for name in ("min", "max")):
        yield "extremes"


def _near(expected: Floats, found: Floats, size: Floats) -> bool:
    with np.errstate(invalid="ignore"):
        near = np.abs(expected - found) <= _NEAR * np.maximum(size, 1)
    return bool((near | (expected == found) | (np.isnan(expected) & np.isnan(found))).all())


def _same_sketches(expected: Rollups, found: Rollups) -> bool:
    """Whether weights agree, bucket by bucket; one that rounding has left over is as good as none."""
    keys = np.concatenate([_bucket_keys(expected), _bucket_keys(found)])
    _, at_key = np.unique(keys, return_inverse=True)
    left = np.bincount(at_key, np.concatenate([expected.weight, -found.weight]))
    size = max(float(np.abs(expected.weight).max(initial=0)), 1.0)
    return not len(left) or float(np.abs(left).max()) <= _NEAR * size * len(expected)


def _bucket_keys(rows: Rollups) -> Ints:
    row = np.repeat(np.arange(len(rows)), np.diff(rows.sketch_at))
    return (row << 16) + rows.bucket.astype(np.int64) + (1 << 15)


def _figures(row: PreparedRow | None) -> tuple[float, float] | None:
    return None if row is None else (float(row.rollups.count.sum()), float(row.rollups.sum.sum()))
