"""One partition of points, from a message to windows: the order of the steps. Milliseconds UTC.

The fold drops repeats and refused rows, turns running totals into increments, separates late points, folds the rest,
moves the watermark and closes windows tier by tier. All time is the broker's append time. Invariant: a replay from any
checkpoint comes to the same rows, revisions and watermarks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace

import numpy as np

from services.aggregator.domain.gaps import begun_anew, is_next, missing_before
from services.aggregator.domain.in_use import SeriesInUse
from services.aggregator.domain.ledger import RowCounts
from services.aggregator.domain.outcomes import RefusedRows, kept, left_out
from services.aggregator.domain.partition_series import UNSTORED, PartitionSeries, SeriesNames
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
from shared.ledger.entries import COUNTED, LOST, NOBODY, Line, minute_of
from shared.model.point import Points
from shared.model.rollup import Rollups, concatenate
from shared.model.window import DISORDER_MS, MAX_LEAD_MS, MAX_POINT_AGE_MS

FORGET_PRODUCER_MS = MAX_POINT_AGE_MS + MAX_LEAD_MS + 24 * 3600 * 1000
"""A producer that was silent for so long is forgotten: a point that is sent again after that is refused by its age."""

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
    appended_at_ms: int
    """When the broker appended it: the time of all that is decided here."""
    series: Sequence[bytes]
    """Identities of the series that the points' slots mean."""
    entries: Sequence[Line] | None = None
    """What its producer let in and refused; None: it does not say."""
    batches: Sequence[Part] = ()
    """Rows that came in batches with an id."""
    refused: Sequence[RefusedRows] = ()
    """Rows that may not count."""


def _no_total(_: bytes) -> str:
    return "gauge"


def _latest(arrival: Arrival, points: Points) -> int:
    """The latest point that may count; of a message without one, as of a tick, the append time."""
    ts_ms = points.ts_ms
    if arrival.refused:
        ts_ms = ts_ms[kept(arrival.refused)]
    return int(ts_ms.max()) if len(ts_ms) else arrival.appended_at_ms


@dataclass(slots=True, eq=False)
class PartitionFold:
    """The state of one partition."""

    check_series: Callable[[bytes], object]
    """Raises `Rejected` for the identity of a series that could not be stored; asked once a series."""
    tenant_of: InitVar[Callable[[bytes], int]]
    """The tenant of a series."""
    kind_of: InitVar[Callable[[bytes], str]] = _no_total
    """The kind of a series."""
    names: InitVar[SeriesNames] = UNSTORED
    """The ids of series, and what is known of those that share one."""
    watermark_ms: int | None = None
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Producer -> its highest sequence number and when that was appended."""
    repeats: Repeats = field(default_factory=Repeats)
    """Which batches have counted."""
    counters: Counters = field(init=False)
    """What running totals are compared with."""
    disorder_ms: int = DISORDER_MS
    """The disorder bound of the topic."""
    max_series: int = MAX_SERIES
    max_producers: int = MAX_PRODUCERS
    evicted: int = 0
    """Producers that were evicted."""
    duplicates: int = 0
    """Messages dropped as repeats."""
    lost: int = 0
    """Messages that are missing between those of a producer."""
    known_series: PartitionSeries = field(init=False)
    waiting_bytes: int = 0
    """Approximate memory that the next checkpoint frees."""
    _in_use: SeriesInUse = field(default_factory=SeriesInUse)
    _tiers: Tiers = field(default_factory=Tiers)
    _closed: dict[int, list[Rollups]] = field(default_factory=dict)
    _late: dict[int, list[Rollups]] = field(default_factory=dict)
    _row_counts: RowCounts = field(init=False)

    def __post_init__(
        self, tenant_of: Callable[[bytes], int], kind_of: Callable[[bytes], str], names: SeriesNames
    ) -> None:
        self.known_series = PartitionSeries(names)
        self._row_counts = RowCounts(tenant_of)
        self.counters = Counters(kind_of)

    def fold(self, arrival: Arrival, points: Points) -> None:
        """Take in one message; raise `Rejected`, with nothing changed, when a series of it cannot be stored."""
        if arrival.seq <= self.seen.get(arrival.producer, (-1, 0))[0]:
            self.duplicates += 1
            return
        entries = self._entries(arrival, points)
        verdict = self.repeats.judge(arrival.batches, arrival.appended_at_ms, len(points))
        self.waiting_bytes += _ID_BYTES * len(arrival.batches) + _LINE_BYTES * len(arrival.entries or ())
        self._count_lost(arrival)
        self.seen[arrival.producer] = (arrival.seq, arrival.appended_at_ms)
        moved_ms = advance(
            self.watermark_ms, _latest(arrival, points), arrival.appended_at_ms, self.disorder_ms
        )
        # The first message has nothing before it, so its own watermark tells what is late.
        before_ms = moved_ms if self.watermark_ms is None else self.watermark_ms
        entries = self._judge(arrival, entries, verdict, before_ms)
        if len(entries):
            self._fold_entries(entries, before_ms, moved_ms)
        self.counters.forget(before_ms, moved_ms)
        self._in_use.move(self.watermark_ms, moved_ms, len(self.series))
        self.watermark_ms = moved_ms
        for resolution_ms, rows in self._tiers.close(moved_ms, len(self.series)):
            self._gather(self._closed, resolution_ms, self.known_series.handed_over(rows))

    def _count_lost(self, arrival: Arrival) -> None:
        """Put what is missing before a message on the right side of the ledger; its left side went with it."""
        missing = missing_before(self.seen, arrival.producer, arrival.seq)
        if missing:
            self.lost += missing
            self._row_counts.say(minute_of(arrival.appended_at_ms), [Line(NOBODY, LOST, missing)])

    def pass_over(self, producer: str, seq: int, appended_at_ms: int) -> None:
        """A message with this number became a dead letter, so that it is not lost."""
        if is_next(self.seen, producer, seq):
            self.seen[producer] = (seq, appended_at_ms)

    def begin_numbers_anew(self) -> None:
        """Records in front of the next one were never read, and are accounted for: their numbers are no gap."""
        self.seen = begun_anew(self.seen)

    def _judge(
        self, arrival: Arrival, entries: Entries, verdict: Verdict | None, watermark_ms: int
    ) -> Entries:
        """What a message adds of its rows; for the ledger, what becomes of each."""
        left = left_out(verdict, arrival.refused)
        taken = entries.rows(kept(left)) if left else entries
        counted, refused = self.counters.judge(taken, self.series, watermark_ms)
        if arrival.entries is not None:
            minute_ms = minute_of(arrival.appended_at_ms)
            self._row_counts.say(minute_ms, arrival.entries)
            outcomes = {outcome: entries.slot[rows] for outcome, rows in left}
            outcomes |= {outcome: taken.slot[rows] for outcome, rows in refused.items()}
            outcomes[COUNTED] = taken.slot[~np.any(list(refused.values()), axis=0)] if refused else taken.slot
            for outcome, slot in outcomes.items():
                self._row_counts.count(minute_ms, outcome, slot, self.series)
        return counted

    def _entries(self, arrival: Arrival, points: Points) -> Entries:
        """What the message adds: its points, with slots of this partition."""
        known = self.known_series.known(arrival.series)
        if None in known:
            given = zip(arrival.series, known, strict=True)
            new = list(dict.fromkeys([packed for packed, slot in given if slot is None]))
            for packed in new:
                self.check_series(packed)
            if len(self.series) + len(new) > self.max_series:
                raise Rejected("too_many_series", f"more than {self.max_series} series in one partition")
            known = list(map(self.known_series.slot, arrival.series))
        slots = np.array(known, np.intp)
        self.known_series.renew(self._in_use.first(slots))
        slot = slots[points.slot]
        # A zero has no sign: which of the two were the smaller would depend on the order.
        return Entries(slot, points.ts_ms, points.value + 0.0, *points.optional())

    @property
    def series(self) -> list[bytes]:
        """Identities by slot."""
        return self.known_series.packed

    def _fold_entries(self, entries: Entries, before_ms: int, moved_ms: int) -> None:
        late = closed_rows(entries.ts_ms, before_ms)
        if late.any():
            for tier, rows in self._tiers.late(entries.rows(late), before_ms, moved_ms, len(self.series)):
                self._gather(self._late, tier, self.known_series.in_order(rows))
            entries = entries.rows(~late)
        if len(entries):
            self._tiers.open.fold(entries, len(self.series))

    def _gather(self, gathered: dict[int, list[Rollups]], resolution_ms: int, rows: Rollups) -> None:
        gathered.setdefault(resolution_ms, []).append(rows)
        self.waiting_bytes += _PART_BYTES + _ROW_BYTES * len(rows)

    @property
    def urgent(self) -> bool:
        """Whether a window has closed, or a series is new, since the previous checkpoint."""
        return bool(self._closed or self.known_series.has_new)

    def live(self) -> list[tuple[int, Rollups]]:
        """The open base windows that changed since the previous call, with their starts."""
        changed = [] if self.watermark_ms is None else self._tiers.open.changed(self.watermark_ms)
        return [(start, self.known_series.handed_over(rows)) for start, rows in changed]

    def checkpoint(self) -> RollupWork:
        """Hand over what was gathered."""
        watermark_ms = self.watermark_ms or 0
        whole, amended = self._tiers.checkpoint(watermark_ms)
        whole_totals, totals = self.counters.totals.checkpoint()
        new_series, collisions = self.known_series.take()
        work = RollupWork(
            series=self.series,
            new_series=new_series,
            closed={resolution_ms: concatenate(parts) for resolution_ms, parts in self._closed.items()},
            late={resolution_ms: concatenate(parts) for resolution_ms, parts in self._late.items()},
            open=self._tiers.open.all(watermark_ms),
            whole=whole,
            amended=amended,
            totals=totals,
            whole_totals=whole_totals,
            contested=[self.series[slot] for slot in self.counters.totals.take_noticed()],
            ledger=self._row_counts.take(),
            batches=self.repeats.take(),
            missed=self.known_series.own_windows(self._tiers.take_missed()),
            ids=self.known_series.ids(),
            collisions=collisions,
            collide=self.known_series.collide,
        )
        self._closed, self._late, self.waiting_bytes = {}, {}, 0
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
        used = self.known_series.used(np.union1d(self._tiers.slots(), self.counters.totals.slots()))
        if len(self.series) > 2 * len(used) + SPARE_SERIES:
            self.known_series.keep(used)
            self._in_use.keep(used)
            self._tiers.keep(used)
            self._row_counts.keep(used)
            self.counters.keep(used)

    def recall(self, whole: Totals, series: Sequence[bytes], kept: Kept) -> None:
        """Start from the running totals of a checkpoint, whose slots mean `series`."""
        of_stream = kept.of_stream | {"slot": self.known_series.restored(series)[kept.of_stream["slot"]]}
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
        return replace(named.rollups, slot=self.known_series.restored(named.series)[named.rollups.slot])
