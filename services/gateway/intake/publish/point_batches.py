"""Divides the points of many requests into one batch for each partition, and sends ticks where there are none.

All partitions are divided at once, in numpy. Invariant: points of a partition keep the order of arrival, its sequence
numbers rise, and the rows of each client batch with an id are marked with that id.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import Admitted, PendingEntries, RowsByTenant
from services.gateway.intake.ports import Catalogue
from services.gateway.intake.publish.message_split import Piece, bounded, renumbered_slots
from shared.ledger.entries import Line
from shared.model.point import Points
from shared.wire import envelope
from shared.wire.stored.batch_ids import part_id
from shared.wire.versions import OLD

ABSENT = {
    "weight": np.float64(1),
    "start_ms": np.int64(0),
    "distinct": np.uint64(0),
    "stream": np.uint64(0),
}
"""The columns that may be missing, and what rows that came without one hold in it."""

TICK_S = 1.0
"""A partition that was not written to for so long gets a tick."""


@dataclass(slots=True)
class PointIntakeBatch:
    """The points of one request."""

    catalogue: Catalogue
    points: Points
    received_at_ms: int
    admitted: Admitted
    """As it was counted at the door."""
    surplus: int = 0
    """Rows less points of the client: a histogram is one point and has several rows."""
    overflowed: int = 0
    """Points that count into overflow series."""
    identity: Identity | None = None
    """What repeats of it are known by."""

    @property
    def taken(self) -> int:
        """How many points of the client they are."""
        return len(self.points) - self.surplus

    def __len__(self) -> int:
        return len(self.points)


class PointBatches:
    """The points of one life of a producer, under its boot id, numbered for each partition."""

    def __init__(self, partitions: int, now_s: float, version: int = OLD) -> None:
        self._version = version
        self._seq = [0] * partitions
        self._written_s = [now_s - TICK_S] * partitions
        self._boot_id = uuid.uuid4().hex
        self._pending = PendingEntries()

    def due_s(self) -> float:
        """When the next tick is due, in monotonic seconds."""
        return min(self._written_s) + TICK_S

    def messages(
        self, batches: list[PointIntakeBatch], now_s: float, now_ms: int, away: Collection[int] = ()
    ) -> tuple[list[tuple[int, bytes]], int]:
        """The messages of a flush, those of one partition in order, and how many are ticks: none to those `away`."""
        for partition in away:
            self._written_s[partition] = now_s
        received_at_ms = max((batch.received_at_ms for batch in batches), default=now_ms)
        messages = []
        for piece, entries in self._with_entries(batches):
            seq, parts = self._next(piece.partition, now_s), _parts(piece, batches)
            batch = envelope.PointBatch(
                self._boot_id, seq, received_at_ms, piece.series, piece.points, parts, entries
            )
            messages.append((piece.partition, envelope.encode(batch, self._version)))
        idle = [p for p, written_s in enumerate(self._written_s) if now_s - written_s >= TICK_S]
        if self._pending and not idle:
            idle = [partition for partition in range(len(self._seq)) if partition not in away][:1]
        for partition in idle:
            entries = self._pending.rest()
            seq = self._next(partition, now_s)
            tick = envelope.tick(self._boot_id, seq, now_ms, entries or None, self._version)
            messages.append((partition, tick))
        return messages, len(idle)

    def partitions_of(self, batch: PointIntakeBatch) -> set[int]:
        """The partitions that hold the rows of a request."""
        return set(batch.catalogue.partitions(len(self._seq))[batch.points.slot].tolist())

    def _with_entries(self, batches: list[PointIntakeBatch]) -> list[tuple[Piece, list[Line]]]:
        """The pieces with their lines; the first says what no message bears."""
        requests = [batch.admitted for batch in batches]
        self._pending.add(requests)
        rows_by_tenant = RowsByTenant(requests)
        with_entries = [(piece, rows_by_tenant.of(piece.source)) for piece in cut(batches, len(self._seq))]
        for _, entries in with_entries:
            self._pending.carried(entries)
        if with_entries:
            with_entries[0][1].extend(self._pending.rest())
        return with_entries

    def _next(self, partition: int, now_s: float) -> int:
        self._written_s[partition] = now_s
        self._seq[partition] += 1
        return self._seq[partition]


def _parts(piece: Piece, batches: Sequence[PointIntakeBatch]) -> list[envelope.Part]:
    """The rows of a piece that came in batches with an id."""
    return [
        envelope.Part(part_id(identity.batch_id, span.number), identity.body, span.first, span.rows)
        for span in piece.spans
        if (identity := batches[span.source].identity) is not None
    ]


def cut(batches: list[PointIntakeBatch], partitions: int) -> Iterator[Piece]:
    """The pieces of all intake batches; of one partition in order of arrival."""
    begin = 0
    for end in range(1, len(batches) + 1):
        # Chunks of one catalogue are cut together; a new one appears only when the old was full.
        if end == len(batches) or batches[end].catalogue is not batches[begin].catalogue:
            parts = [batch.points for batch in batches[begin:end]]
            source = np.repeat(np.arange(begin, end, dtype=np.int32), list(map(len, parts)))
            yield from _cut(batches[begin].catalogue, joined(parts), source, partitions)
            begin = end


def joined(parts: list[Points]) -> Points:
    """All points in their order."""
    if len(parts) == 1:
        return parts[0]
    given = [name for name in ABSENT if any(getattr(part, name) is not None for part in parts)]
    return Points(
        np.concatenate([part.slot for part in parts]),
        np.concatenate([part.ts_ms for part in parts]),
        np.concatenate([part.value for part in parts]),
        **{name: np.concatenate([_filled(part, name) for part in parts]) for name in given},
    )


def _filled(points: Points, name: str) -> NDArray[Any]:
    """A column that may be missing, as if all points had come with it."""
    column: NDArray[Any] | None = getattr(points, name)
    return np.full(len(points), ABSENT[name]) if column is None else column


def _cut(catalogue: Catalogue, points: Points, source: NDArray[np.int32], partitions: int) -> Iterator[Piece]:
    table = catalogue.partitions(partitions)
    owner = table[points.slot]
    order = np.argsort(owner, kind="stable")
    points, source = points.rows(order), source[order]
    ends = np.cumsum(np.bincount(owner, minlength=partitions))
    numbers, slots = renumbered_slots(points.slot, len(table))
    series_ends = np.searchsorted(table[numbers], np.arange(partitions), side="right")
    begin = first = 0
    for partition, (end, last) in enumerate(zip(ends.tolist(), series_ends.tolist(), strict=True)):
        if end > begin:
            series = list(map(catalogue.packed.__getitem__, numbers[first:last].tolist()))
            rows = points.rows(slice(begin, end))
            rows.slot = slots[begin:end] - first
            yield from bounded(Piece(partition, series, rows, source[begin:end]))
        begin, first = end, last
