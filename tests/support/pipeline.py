"""The whole way of a request without servers: decoder, admission, messages of the log, folds of the readers.

Milliseconds UTC. The log is read as it is written, so that a reader that refuses what the gateway let in names the
request. Invariant: nothing here decides; all steps are those of the services.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from services.gateway.http.problems import Problem
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Decoder, Request, RequestColumns
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.protocols.registry import RESOURCE_LABELS, protocol_routes
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch
from services.ingest.adapters.kafka import derived, partitions_of
from services.ingest.adapters.stream import EventFold
from services.ingest.domain.dedup import Id, new_ones
from services.ingest.projections import event_copy
from services.ingest.projections.events import Events
from services.ingest.service import EventWork, ledger_entries
from shared.errors import Rejected
from shared.ledger.entries import Entry
from shared.model.window import TIERS_MS
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope, events
from shared.wire.events import Event
from shared.wire.series import kind_of, unpack

PARTITIONS = 2
LEVELS = frozenset({"gauge", "delta"})
"""Kinds whose every point is a sample of a window; running totals become increments first."""

HOUR_MS = 3_600_000
LIMIT = 1000


class Verdict(NamedTuple):
    """What became of the items of a request."""

    counted: set[int]
    """Those that are in the log, in whole or in part."""
    refused: dict[int, str]
    """Those that were refused, in whole or in part, and the first code."""


@dataclass
class _Recording:
    """A decoder that keeps what it made."""

    decoder: Decoder
    columns: RequestColumns = field(default_factory=RequestColumns)

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the request."""
        self.columns = self.decoder.decode(request)
        return self.columns


class Accounts(NamedTuple):
    """What the readers made of all requests."""

    points: Counter[str]
    """Ledger outcomes of points."""
    events: Counter[str]
    samples: float
    """Points of levels in closed windows; NaN: the old version does not know."""


class Pipeline:
    """A gateway, a log, an aggregator and an ingest; `version` is the one that they write."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._routes = protocol_routes(LIMIT, LIMIT, RESOURCE_LABELS)
        self._recording = {path: _Recording(route.decoder) for path, route in self._routes.items()}
        admission = PointAdmission(1_000_000, SeriesLimiter())
        self._decode = {path: Decode(one, admission) for path, one in self._recording.items()}
        self._points = PointBatches(PARTITIONS, 0.0, version)
        self._events = EventBatches(PARTITIONS, version)
        self._folds = {at: _fold(at, version) for at in range(PARTITIONS)}
        self._ingests = {at: EventFold() for at in range(PARTITIONS)}
        self._offsets = Counter[str]()
        self._earlier = set[Id]()
        self._ledger: dict[str, Counter[Entry]] = {"points": Counter(), "events": Counter()}
        self.admitted = Counter[str]()
        """Rows of points and events that were let in, and refusals, by signal."""
        self.stored: list[Event] = []
        """Events that are in their table, the latest ones."""
        self.samples = Counter[str]()
        """Samples that windows must hold, by metric."""

    def post(self, path: str, request: Request) -> Verdict | str:
        """What became of each item; the code of a body that was refused as a whole.

        Raises `Rejected` where a reader refuses what was let in.
        """
        try:
            decoded = self._decode[path](request, b"")
        except Rejected as refusal:
            return refusal.code
        except Problem as problem:
            return problem.code
        rejected: list[Rejection] = []
        if decoded.points is not None:
            self.take_points(decoded.points.batch, request.received_at_ms)
            self.admitted["points refused"] += len(decoded.points.rejected)
            rejected += decoded.points.rejected
        if decoded.events is not None:
            self._take_events(decoded.events.batch, request.received_at_ms)
            self.admitted["events refused"] += len(decoded.events.rejected)
            rejected += decoded.events.rejected
        columns = self._recording[path].columns
        made = _rows_by_item(columns) + Counter(one.index for one in columns.refused)
        left = made - Counter(one.index for one in rejected)
        return Verdict(set(left), {one.index: one.code for one in rejected})

    def take_points(self, batch: PointIntakeBatch, now_ms: int) -> None:
        """Append and fold the messages of a request; raise `Rejected` for what a reader refuses."""
        messages, _ = self._points.messages([batch], 0.0, now_ms)
        self.admitted["points"] += len(batch)
        for partition, value in messages:
            self._fold_points(partition, value, now_ms + 3)

    def _fold_points(self, partition: int, value: bytes, appended_at_ms: int) -> None:
        read = envelope.decode(value, appended_at_ms)
        if read.refused:
            raise Rejected(read.refused[0].code, "a row of the message cannot count")
        self._count_samples(read)
        place = f"points:{partition}"
        self._folds[partition].fold(Record(self._offsets[place], appended_at_ms, value))
        self._offsets[place] += 1

    def _count_samples(self, read: envelope.PointBatch) -> None:
        points = read.points
        weight = np.ones(len(points)) if points.weight is None else points.weight
        samples = np.bincount(points.slot, np.sign(weight), len(read.series)).astype(int)
        for packed, count in zip(read.series, samples.tolist(), strict=True):
            if kind_of(packed) in LEVELS:
                self.samples[unpack(packed).metric] += count

    def _take_events(self, batch: EventIntakeBatch, now_ms: int) -> None:
        messages, _ = self._events.messages([batch], 0.0, now_ms)
        self.admitted["events"] += len(batch)
        for partition, value in messages:
            read = events.decode(value, now_ms + 3)
            if read.refused:
                raise Rejected(read.refused[0].outcome, "an event of the message cannot count")
            place = f"events:{partition}"
            self._ingests[partition].fold(Record(self._offsets[place], now_ms + 3, value))
            self._offsets[place] += 1
            self._ingest(partition)

    def _ingest(self, partition: int) -> None:
        """Judge what was gathered, write its rows and publish what is derived."""
        work: EventWork[Event] = self._ingests[partition].checkpoint().work
        work.new = [new_ones(each.events, {}, each.appended_at_ms, self._earlier) for each in work.arrivals]
        self._ledger["events"].update(ledger_entries(work, ()))
        for arrival, new in work.judged():
            assert list(event_copy.streams([(arrival.appended_at_ms, new)]))
            self.stored = new
            for to, batch in derived(partition, work, (Events(),), partitions_of(PARTITIONS)):
                self.admitted["derived"] += len(batch.points)
                self._fold_points(to, envelope.encode(batch, self._version), arrival.appended_at_ms)

    def accounts(self, now_ms: int) -> Accounts:
        """Close all windows, and say what was made of everything."""
        samples = 0.0
        for partition, fold in self._folds.items():
            closing = envelope.tick("closing", 1, now_ms + HOUR_MS, None, self._version)
            self._fold_points(partition, closing, now_ms + HOUR_MS)
            work = fold.checkpoint().work
            self._ledger["points"].update(work.ledger)
            levels = np.array([kind_of(packed) in LEVELS for packed in work.series], np.bool_)
            for rows in filter(None, (work.closed.get(TIERS_MS[-1]), work.late.get(TIERS_MS[-1]))):
                samples += float(rows.samples[levels[rows.slot]].sum())
        return Accounts(_by_outcome(self._ledger["points"]), _by_outcome(self._ledger["events"]), samples)


def _fold(partition: int, version: int) -> PointFold:
    return PointFold(Key("points", partition), Stored(1, 0, None, b"", None), {}, Repeats(), version)


def _rows_by_item(columns: RequestColumns) -> Counter[int]:
    """How many rows each item has become."""
    rows = Counter[int]()
    for part in (columns.points, columns.events):
        if part is not None:
            rows.update(range(len(part.ts_ms)) if part.index is None else part.index)
    return rows


def _by_outcome(entries: Counter[Entry]) -> Counter[str]:
    found = Counter[str]()
    for entry, number in entries.items():
        found[entry.outcome] += number
    return found
