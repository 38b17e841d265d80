"""The points of a request, collected row by row, and the columns that they make.

Nanoseconds since 1970 as they come, milliseconds in the columns. Invariant: each point of the request has become rows,
a refusal under its index, or nothing because it says nothing.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.contract import (
    PointColumns,
    RefColumn,
    RequestColumns,
    SeriesRef,
    SeriesTable,
    ref_columns,
)
from services.gateway.intake.columns.histograms import HistogramRow, buckets_of
from services.gateway.intake.domain.admission import ALL, MAXIMUM, MINIMUM, Mask, Rejection
from services.gateway.intake.protocols.otlp.metrics.spread import SpreadRow, merged
from services.gateway.intake.protocols.otlp.metrics.streams import tell_twins_apart
from shared.errors import Rejected

NS_PER_MS = 1_000_000
ALMOST_MS = np.uint64(NS_PER_MS - 1)

MAX_BUCKETS = 400_000
"""Buckets of all histograms of a request: some tens of MiB as rows."""

T = TypeVar("T")
UInts = NDArray[np.uint64]

_labels_of = msgspec.msgpack.Decoder(dict[str, str]).decode


class Times(NamedTuple):
    """When a point was measured, and since when it counts; nanoseconds, 0 where unknown."""

    time: int
    start: int


@dataclass(slots=True, eq=False)
class Rows:
    """Rows in the order of the request."""

    table: SeriesTable
    """The series that are remembered."""
    place: "array[int]" = field(default_factory=lambda: array("i"))
    """Where the series of each row stands there, -1: nowhere."""
    strangers: dict[int, SeriesRef] = field(default_factory=dict)
    """The series of rows that stand nowhere."""
    time: "array[int]" = field(default_factory=lambda: array("Q"))
    start: "array[int]" = field(default_factory=lambda: array("Q"))
    value: "array[float]" = field(default_factory=lambda: array("d"))
    size: int = 0
    """Rows, those that are not filled in yet included."""
    points: int = 0
    """Points seen so far."""
    shifts: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    """Rows from which on a point is further on than its row, and how far."""
    weights: dict[int, float] = field(default_factory=dict)
    """Weights other than 1, by row."""
    histograms: list[HistogramRow] = field(default_factory=list)
    """Those with the bounds of their buckets."""
    spreads: list[SpreadRow] = field(default_factory=list)
    """Those with the middles of their buckets."""
    buckets: int = 0
    """Buckets of both, those of rows before these included."""
    refused: list[Rejection] = field(default_factory=list)

    def add(self, ref: SeriesRef, times: Times, value: float, weight: float = 1.0) -> int:
        """A row of the point that is looked at; its number."""
        self.pad()
        row = self.reserve(1)
        self.points -= 1  # it is counted when it has been taken
        if ref.place < 0:
            self.strangers[row] = ref
        self.place.append(ref.place)
        self.time.append(times.time)
        self.start.append(times.start)
        self.value.append(value)
        if weight != 1:
            self.weights[row] = weight
        return row

    def reserve(self, count: int) -> int:
        """Rows of the next points, which are filled in later; the first of them."""
        row, shift = self.size, self.points - self.size
        if shift != self.shifts[-1][1]:
            self.shifts.append((row, shift))
        self.size += count
        self.points += count
        return row

    def extend(self, later: "Rows") -> None:
        """Add the rows of the points that follow."""
        row, point = self.size, self.points
        self.place += later.place
        self.time += later.time
        self.start += later.start
        self.value += later.value
        self.strangers |= {row + at: ref for at, ref in later.strangers.items()}
        self.weights |= {row + at: weight for at, weight in later.weights.items()}
        for at, shift in later.shifts:
            if point - row + shift != self.shifts[-1][1]:
                self.shifts.append((row + at, point - row + shift))
        self.histograms += [one._replace(row=row + one.row) for one in later.histograms]
        self.spreads += [one._replace(row=row + one.row) for one in later.spreads]
        self.refused += [Rejection(point + one.index, one.code, one.message) for one in later.refused]
        self.buckets = later.buckets
        self.size += later.size
        self.points += later.points

    def pad(self) -> None:
        """Make room for all reserved rows."""
        missing = self.size - len(self.time)
        if missing:
            self.place.frombytes(bytes(self.place.itemsize * missing))
            nothing = bytes(self.time.itemsize * missing)
            for column in (self.time, self.start, self.value):
                column.frombytes(nothing)

    def room_for(self, buckets: int) -> None:
        """Count these buckets; raise `Rejected` when they are too many for a request."""
        if self.buckets + buckets > MAX_BUCKETS:
            raise Rejected("too_many_buckets", f"histogram: at most {MAX_BUCKETS} buckets a request")
        self.buckets += buckets

    def each(self, points: Iterable[T], take: Callable[[T], None]) -> None:
        """Take each of these points, or refuse it by itself."""
        for point in points:
            try:
                take(point)
            except Rejected as error:
                self.refuse(error)
            else:
                self.points += 1

    def refuse(self, error: Rejected, points: int = 1) -> None:
        """No row for the next points."""
        for _ in range(points):
            self.refused.append(Rejection(self.points, error.code, error.message))
            self.points += 1

    def columns(self, received_at_ms: int) -> RequestColumns:
        """The columns of all rows."""
        if not self.size:
            return RequestColumns(refused=self.refused)
        refs = self._refs()
        time_ns, start_ns = np.frombuffer(self.time, np.uint64), np.frombuffer(self.start, np.uint64)
        stream = np.frombuffer(refs.table.stream, np.uint64)[refs.places]
        total = stream != 0 if MAXIMUM(stream) else None
        timed = bool(MINIMUM(time_ns))
        # Of totals rounded up where starts are rounded down: one that is exported at once is after its start.
        rounded_ns = time_ns if total is None else time_ns + total * ALMOST_MS
        ts_ms: NDArray[np.int64] = (rounded_ns // NS_PER_MS).view(np.int64)
        if not timed:
            ts_ms = np.where(time_ns == 0, received_at_ms, ts_ms)
        columns = ref_columns(
            refs, ts_ms, np.frombuffer(self.value, np.float64), lambda row: _labels_of(refs.of(row).labels)
        )
        columns.weight, columns.timed, columns.index = self._weights(), timed, self._index()
        if total is not None:
            tell_twins_apart(stream, total, time_ns, start_ns)
            columns.stream = stream
            columns.start_ms = _starts(start_ns, time_ns, ts_ms, total)
        self._add_buckets(columns)
        return RequestColumns(columns, refused=self.refused)

    def _refs(self) -> RefColumn:
        """The series of all rows; those that are not remembered stand in a table of this request."""
        places = np.frombuffer(self.place, np.int32)
        if not self.strangers:
            return RefColumn(self.table, places)
        refs = [
            self.strangers[row] if place < 0 else self.table.refs[place]
            for row, place in enumerate(places.tolist())
        ]
        return RefColumn(
            SeriesTable(refs, array("Q", [ref.stream for ref in refs])), np.arange(len(refs), dtype=np.int32)
        )

    def _index(self) -> Sequence[int] | None:
        """The points that the rows are of; None: the rows are the points."""
        if len(self.shifts) == 1:
            return None
        rows, shifts = np.array(self.shifts).T
        shift = np.repeat(shifts, np.diff(rows, append=self.size))
        index: list[int] = (np.arange(self.size) + shift).tolist()
        return index

    def _weights(self) -> NDArray[np.float64] | None:
        if not self.weights:
            return None
        weight = np.ones(self.size)
        weight[list(self.weights)] = list(self.weights.values())
        return weight

    def _add_buckets(self, columns: PointColumns) -> None:
        if self.histograms or self.spreads:
            buckets, columns.refused = buckets_of(self.histograms, columns.weight, MAX_BUCKETS)
            columns.histogram = merged(buckets, self.spreads)


def _starts(
    start_ns: UInts, time_ns: UInts, ts_ms: NDArray[np.int64], total: Mask
) -> NDArray[np.int64] | None:
    """Since when running totals run; one that is after its own point is unknown, as one that is equal to it."""
    start_ms: NDArray[Any] = (start_ns // NS_PER_MS).view(np.int64) * total
    if not MAXIMUM(start_ms):
        return None
    if ALL(start_ns < time_ns):
        return start_ms
    unknown = (start_ns >= time_ns) & (time_ns > 0) & total
    return np.where(unknown, ts_ms, np.minimum(start_ms, ts_ms))
