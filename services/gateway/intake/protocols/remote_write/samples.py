"""The samples of a request, and the columns of points that they become.

Values are looked at as 64 bits, so that the NaN that ends a series is told from all others. Milliseconds UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.contract import PointColumns, RefColumn, RequestColumns, ref_columns
from services.gateway.intake.columns.foreign_labels import unpacked
from services.gateway.intake.columns.optional_columns import start_column
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.remote_write.histograms import (
    MAX_BUCKETS,
    Native,
    check_room,
    laid,
    native,
)
from services.gateway.intake.protocols.remote_write.map import SeriesText
from shared.errors import Rejected

STALE = 0x7FF0000000000002
"""Bits of the value that ends a series: it is no value, and the series may go on."""

NO_VALUE = "no_value"
"""Code of a sample that is NaN and ends no series: a gauge that divided by zero, a quantile of nothing."""


@dataclass(slots=True, eq=False)
class Samples:
    """Float samples and native histograms; the lists of samples have one length."""

    series: list[SeriesText] = field(default_factory=list)
    bits: list[int] | NDArray[np.uint64] = field(default_factory=list)
    ts_ms: list[int] | NDArray[np.int64] = field(default_factory=list)
    start_ms: list[int] = field(default_factory=list)
    """Since when each counts, 0 where unknown; empty: all unknown."""
    places: list[int] = field(default_factory=list)
    """Their places among all samples and histograms of the request; empty: in their order, and nothing beside."""
    histograms: list[tuple[int, SeriesText, Any]] = field(default_factory=list)
    """Place, series and message."""
    refused: list[Rejection] = field(default_factory=list)
    count: int = 0
    """Samples and histograms that were added or refused."""
    max_count: int = 0
    """How many they may be."""

    def add(self, text: SeriesText, bits: int, ts_ms: int, start_ms: int = 0) -> None:
        """Take one more sample."""
        self.series.append(text)
        self.bits.append(bits)  # type: ignore[union-attr]  # a list wherever samples are added one by one
        self.ts_ms.append(ts_ms)  # type: ignore[union-attr]  # the same
        self.start_ms.append(start_ms)
        self.places.append(self.count)
        self.count += 1

    def add_series(self, text: SeriesText, message: Any) -> None:
        """Take what is in one series, or refuse it sample by sample; raise `Rejected` where they are too many."""
        check_count(self.count + len(message.samples) + len(message.histograms), self.max_count)
        if text.refusal is not None:
            for _ in range(len(message.samples) + len(message.histograms)):
                self.refuse(text.refusal)
            return
        for sample in message.samples:
            self.add(text, sample.value, sample.timestamp, sample.start_timestamp)
        for histogram in message.histograms:
            self.histograms.append((self.count, text, histogram))
            self.count += 1

    def refuse(self, refusal: Rejected) -> None:
        """Refuse the next sample."""
        self.refused.append(Rejection(self.count, refusal.code, refusal.message))
        self.count += 1

    def columns(self) -> RequestColumns:
        """What may become points, and what has no value."""
        bits = np.asarray(self.bits, np.uint64)
        nan = np.isnan(bits.view(np.float64))
        if nan.any():
            self.refused += _without_value(bits, nan, self.places)
            self._keep(np.flatnonzero(~nan).tolist())
        natives, first_row = self._natives(), len(self.series)
        if natives:
            self._append(natives)
        columns = self._points()
        found = [each for _, _, each in natives]
        columns.histogram, refusals = laid(found, first_row)
        columns.refused = [*columns.refused, *refusals]
        if any(each.stream for each in found):
            columns.stream = np.array([0] * first_row + [each.stream for each in found], np.uint64)
        return RequestColumns(columns, refused=self.refused)

    def _keep(self, rows: list[int]) -> None:
        """Keep these samples."""
        places = self.places or range(len(self.series))
        self.series = [self.series[row] for row in rows]
        self.bits = np.asarray(self.bits, np.uint64)[rows]
        self.ts_ms = np.asarray(self.ts_ms, np.int64)[rows]
        self.places = [places[row] for row in rows]
        self.start_ms = [self.start_ms[row] for row in rows] if self.start_ms else []

    def _natives(self) -> list[tuple[int, SeriesText, Native]]:
        """Place, series and buckets of the histograms that can be read, those with bounds first."""
        read: list[tuple[int, SeriesText, Native]] = []
        room = MAX_BUCKETS
        for place, text, message in self.histograms:
            if message.sum == STALE:
                continue
            try:
                check_room(room)
                found = native(message)
                room -= len(found.counts)
                check_room(room)
            except Rejected as refusal:
                self.refused.append(Rejection(place, refusal.code, refusal.message))
            else:
                read.append((place, text, found))
        return sorted(read, key=lambda each: not len(each[2].bounds))

    def _append(self, natives: list[tuple[int, SeriesText, Native]]) -> None:
        """A row for each of them."""
        self.bits, self.ts_ms = [*self.bits, *[0] * len(natives)], list(self.ts_ms)
        for place, text, found in natives:
            self.series.append(text._replace(kind=("histogram", text.kind[1])))
            self.ts_ms.append(found.ts_ms)
            self.places.append(place)
            self.start_ms.append(found.start_ms)

    def _points(self) -> PointColumns:
        names, labels, kinds = (list(map(itemgetter(part), self.series)) for part in range(3))
        kinds = kinds[:1] if len(set(kinds)) == 1 else kinds
        columns = PointColumns(
            names,
            labels,
            lambda row: unpacked(labels[row]),
            kinds,
            np.asarray(self.ts_ms, np.int64),
            np.asarray(self.bits, np.uint64).view(np.float64),
            index=self.places or None,
        )
        if any(self.start_ms):
            total = np.fromiter([text.kind[0] != "gauge" for text in self.series], np.bool_, len(names))
            columns.start_ms, columns.refused = start_column(self.start_ms, total, columns.ts_ms)
        return columns


def known_columns(refs: RefColumn, bits: NDArray[np.uint64], ts_ms: NDArray[np.int64]) -> RequestColumns:
    """The columns of samples whose series are all remembered, what has no value left out."""
    nan = np.isnan(bits.view(np.float64))
    refused, index = [], None
    if nan.any():
        refused, kept = _without_value(bits, nan), np.flatnonzero(~nan)
        refs, bits, ts_ms = RefColumn(refs.table, refs.places[kept]), bits[kept], ts_ms[kept]
        index = kept.tolist()
    columns = ref_columns(refs, ts_ms, bits.view(np.float64), lambda row: unpacked(refs.of(row).labels))
    columns.index = index
    return RequestColumns(columns, refused=refused)


def _without_value(
    bits: NDArray[np.uint64], nan: NDArray[np.bool_], places: Sequence[int] = ()
) -> list[Rejection]:
    """Refusals of what is NaN and ends no series, at these places, or where it stands."""
    unknown = np.flatnonzero(nan & (bits != STALE)).tolist()
    return [
        Rejection(places[row] if places else row, NO_VALUE, "value: is NaN, which is no value")
        for row in unknown
    ]


def check_count(count: int, limit: int) -> None:
    """Raise `Rejected` for more samples than a request may have."""
    if count > limit:
        raise Rejected("too_many_points", f"samples: at most {limit} a request")
