"""One partition of points, from a message to windows: the order of the steps. Milliseconds UTC.

The fold drops repeats of producers and clients, turns running totals into increments, separates late points, folds the
rest, moves the watermark and closes windows tier by tier. Invariant: a replay from any checkpoint comes to the same
rows, revisions and watermarks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace

import numpy as np

from services.aggregator.domain.ledger import RowCounts
from services.aggregator.domain.repeats import Part, Repeats, Verdict
from services.aggregator.domain.totals.counters import Counters
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from services.aggregator.domain.windows.entries import Entries
from services.aggregator.domain.windows.open_windows import closed_rows, is_closed
from services.aggregator.domain.windows.tiers import Tiers
from services.aggregator.domain.windows.watermark import advance
from services.aggregator.domain.work import RollupWork, SeriesRollups
from shared.errors import Rejected
from shared.ledger.entries import CONFLICT, COUNTED, DUPLICATE, STALE_TOTAL, Line, minute_of
from shared.model.point import Points
from shared.model.rollup import Ints, Rollups, concatenate

FORGET_PRODUCER_MS = 8 * 24 * 3600 * 1000
"""A producer that was silent for longer than the log keeps records, by log time, cannot repeat itself."""

SPARE_SERIES = 10_000
"""Series kept although no open window holds them, before the fold forgets them all."""

MAX_SERIES = 1_000_000
"""Series of a partition at once; a message that brings one more is a dead letter, and too many of those stop it."""

MAX_PRODUCERS = 100_000
"""Producers of a partition that are remembered; beyond it those make room that were silent longest."""

_LINE_BYTES = 200
_ROW_BYTES = 400
_PART_BYTES = 4_000
_ID_BYTES = 200


@dataclass(frozen=True, slots=True)
class Arrival:
    """The contents of a message, except its points."""

    producer: str
    """Who sent it."""
    seq: int
    """Strictly increasing for each producer and partition."""
    received_at_ms: int
    """When the gateway received the latest of its points."""
    series: Sequence[bytes]
    """Identities of the series that the points' slots mean."""
    entries: Sequence[Line] | None = None
    """What its producer let in and refused; None: it does not say."""
    batches: Sequence[Part] = ()
    """Rows that came in batches with an id."""


def _no_total(_: bytes) -> str:
    return "gauge"


@dataclass(slots=True, eq=False)
class PartitionFold:
    """The state of one partition."""

    check_series: Callable[[bytes], object]
    """Raises `Rejected` for the identity of a series that could not be stored; asked once a series."""
    tenant_of: InitVar[Callable[[bytes], int]]
    """The tenant of a series."""
    kind_of: InitVar[Callable[[bytes], str]] = _no_total
    """The kind of a series."""
    watermark_ms: int | None = None
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Producer -> its highest sequence number and when that was received."""
    repeats: Repeats = field(default_factory=Repeats)
    """Which batches have counted."""
    counters: Counters = field(init=False)
    """What running totals are compared with."""
    max_series: int = MAX_SERIES
    max_producers: int = MAX_PRODUCERS
    evicted: int = 0
    """Producers that were evicted."""
    duplicates: int = 0
    """Messages dropped as repeats."""
    series: list[bytes] = field(default_factory=list)
    waiting_bytes: int = 0
    """Approximate memory that the next checkpoint frees."""
    _slots: dict[bytes, int] = field(default_factory=dict)
    _tiers: Tiers = field(default_factory=Tiers)
    _new_series: list[bytes] = field(default_factory=list)
    _closed: dict[int, list[Rollups]] = field(default_factory=dict)
    _late: dict[int, list[Rollups]] = field(default_factory=dict)
    _row_counts: RowCounts = field(init=False)

    def __post_init__(self, tenant_of: Callable[[bytes], int], kind_of: Callable[[bytes], str]) -> None:
        self._row_counts = RowCounts(tenant_of)
        self.counters = Counters(kind_of)

    def fold(self, arrival: Arrival, points: Points) -> None:
        """Take in one message; raise `Rejected`, with nothing changed, when a series of it cannot be stored."""
        if arrival.seq <= self.seen.get(arrival.producer, (-1, 0))[0]:
            self.duplicates += 1
            return
        entries = self._entries(arrival, points)
        verdict = self.repeats.judge(arrival.batches, arrival.received_at_ms, len(points))
        self.waiting_bytes += _ID_BYTES * len(arrival.batches) + _LINE_BYTES * len(arrival.entries or ())
        self.seen[arrival.producer] = (arrival.seq, arrival.received_at_ms)
        latest_ms = int(points.ts_ms.max()) if len(points) else arrival.received_at_ms
        moved_ms = advance(self.watermark_ms, latest_ms, arrival.received_at_ms)
        # The first message has nothing before it, so its own watermark tells what is late.
        before_ms = moved_ms if self.watermark_ms is None else self.watermark_ms
        entries = self._judge(arrival, entries, verdict, before_ms)
        if len(entries):
            self._fold_entries(entries, before_ms, moved_ms)
        self.counters.forget(before_ms, moved_ms)
        self.watermark_ms = moved_ms
        for resolution_ms, rows in self._tiers.close(moved_ms, len(self.series)):
            self._gather(self._closed, resolution_ms, rows)

    def _judge(
        self, arrival: Arrival, entries: Entries, verdict: Verdict | None, watermark_ms: int
    ) -> Entries:
        """What a message adds of its rows; for the ledger, what becomes of each."""
        kept = entries if verdict is None else entries.rows(verdict.kept)
        counted, stale = self.counters.judge(kept, self.series, watermark_ms)
        if arrival.entries is not None:
            minute_ms = minute_of(arrival.received_at_ms)
            self._row_counts.say(minute_ms, arrival.entries)
            outcomes = {COUNTED: kept.slot if stale is None else kept.slot[~stale]}
            if stale is not None:
                outcomes[STALE_TOTAL] = kept.slot[stale]
            if verdict is not None:
                outcomes[DUPLICATE] = entries.slot[~verdict.kept & ~verdict.conflict]
                outcomes[CONFLICT] = entries.slot[verdict.conflict]
            for outcome, slot in outcomes.items():
                self._row_counts.count(minute_ms, outcome, slot, self.series)
        return counted

    def _entries(self, arrival: Arrival, points: Points) -> Entries:
        """What the message adds: its points, with slots of this partition."""
        known = list(map(self._slots.get, arrival.series))
        if None in known:
            new = [packed for packed in dict.fromkeys(arrival.series) if packed not in self._slots]
            for packed in new:
                self.check_series(packed)
            if len(self.series) + len(new) > self.max_series:
                raise Rejected("too_many_series", f"more than {self.max_series} series in one partition")
            known = [self._slot(packed) for packed in arrival.series]
        slot = np.array(known, np.intp)[points.slot]
        # A zero has no sign: which of the two were the smaller would depend on the order.
        return Entries(slot, points.ts_ms, points.value + 0.0, *points.optional())

    def _slot(self, packed: bytes) -> int:
        slot = self._slots.setdefault(packed, len(self.series))
        if slot == len(self.series):
            self.series.append(packed)
            self._new_series.append(packed)
        return slot

    def _fold_entries(self, entries: Entries, before_ms: int, moved_ms: int) -> None:
        late = closed_rows(entries.ts_ms, before_ms)
        if late.any():
            for tier in self._tiers.late(entries.rows(late), before_ms, moved_ms, len(self.series)):
                self._gather(self._late, *tier)
            entries = entries.rows(~late)
        if len(entries):
            self._tiers.open.fold(entries, len(self.series))

    def _gather(self, gathered: dict[int, list[Rollups]], resolution_ms: int, rows: Rollups) -> None:
        gathered.setdefault(resolution_ms, []).append(rows)
        self.waiting_bytes += _PART_BYTES + _ROW_BYTES * len(rows)

    @property
    def urgent(self) -> bool:
        """Whether a window has closed, or a series is new, since the previous checkpoint."""
        return bool(self._closed or self._new_series)

    def live(self) -> list[tuple[int, Rollups]]:
        """The open base windows that changed since the previous call, with their starts."""
        return [] if self.watermark_ms is None else self._tiers.open.changed(self.watermark_ms)

    def checkpoint(self) -> RollupWork:
        """Hand over what was gathered."""
        watermark_ms = self.watermark_ms or 0
        whole, amended = self._tiers.checkpoint(watermark_ms)
        whole_totals, totals = self.counters.totals.checkpoint()
        work = RollupWork(
            series=self.series,
            new_series=self._new_series,
            closed={resolution_ms: concatenate(parts) for resolution_ms, parts in self._closed.items()},
            late={resolution_ms: concatenate(parts) for resolution_ms, parts in self._late.items()},
            open=self._tiers.open.all(watermark_ms),
            whole=whole,
            amended=amended,
            totals=totals,
            whole_totals=whole_totals,
            ledger=self._row_counts.take(),
            batches=self.repeats.take(),
        )
        self._new_series, self._closed, self._late, self.waiting_bytes = [], {}, {}, 0
        self._forget()
        return work

    def _forget(self) -> None:
        """Drop series and producers that nothing refers to any more, so that they do not grow without bound."""
        if self.watermark_ms is not None:
            oldest_ms = self.watermark_ms - FORGET_PRODUCER_MS
            self.seen = {who: at for who, at in self.seen.items() if at[1] >= oldest_ms}
        if (over := len(self.seen) - self.max_producers) > 0:
            self.seen = dict(sorted(self.seen.items(), key=lambda one: one[1][1])[over:])
            self.evicted += over
        if len(self.series) <= SPARE_SERIES:
            return
        used = np.union1d(self._tiers.slots(), self.counters.totals.slots())
        if len(self.series) > 2 * len(used) + SPARE_SERIES:
            self.series = [self.series[slot] for slot in used.tolist()]
            self._slots = {packed: slot for slot, packed in enumerate(self.series)}
            self._tiers.keep(used)
            self._row_counts.keep(used)
            self.counters.keep(used)

    def recall(self, whole: Totals, series: Sequence[bytes], kept: Kept) -> None:
        """Start from the running totals of a checkpoint, whose slots mean `series`."""
        of_stream = kept.of_stream | {"slot": self._slots_of(series)[kept.of_stream["slot"]]}
        self.counters.totals.restore(whole, replace(kept, of_stream=of_stream))

    def restore(
        self,
        opened: SeriesRollups | None,
        whole: Mapping[int, SeriesRollups],
        amended: Mapping[int, SeriesRollups],
    ) -> None:
        """Start from the open windows of a checkpoint; coarse ones may have closed since they were kept."""
        base = self._known(opened) if opened else None
        kept, changed = (
            {
                tier: self._known(named)
                for tier, named in each.items()
                if not is_closed(int(named.rollups.start_ms[0]), self.watermark_ms or 0, tier)
            }
            for each in (whole, amended)
        )
        self._tiers.restore(base, kept, changed, len(self.series))

    def _known(self, named: SeriesRollups) -> Rollups:
        return replace(named.rollups, slot=self._slots_of(named.series)[named.rollups.slot])

    def _slots_of(self, series: Sequence[bytes]) -> Ints:
        """The slots of stored series."""
        slots = np.array([self._slot(packed) for packed in series], np.int64)
        self._new_series.clear()
        return slots
