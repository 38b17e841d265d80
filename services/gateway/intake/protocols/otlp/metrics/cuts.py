"""Cuts the points of gauges and sums out of their bytes, those of all metrics of a request together.

Bytes between the fixed fields are known as attributes only after a scan has shown that they are whole fields and
nothing else, so that what stands behind them begins a field.
Invariant: a point that is cut means what a parser makes of it.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.protocols.otlp.map import Attributes
from services.gateway.intake.protocols.otlp.memory import Page
from services.gateway.intake.protocols.otlp.metrics.layout import (
    AS_INT,
    FIRSTS,
    NUMBERS,
    START,
    TIME,
    WIDTH,
    Layout,
    Order,
    are_laid_out,
    attributes_end,
    cells_of,
    layout_of,
)
from services.gateway.intake.protocols.otlp.metrics.rows import Rows
from shared.errors import Rejected

PARSED_NEXT = 32
"""So many requests a metric is parsed after one whose points had no layout, before a layout is looked for again."""

Read = Callable[[bytes], Attributes]
Places = NDArray[np.int64] | slice


class _Span(NamedTuple):
    """The points of a metric."""

    metric: int
    """Which metric of the request."""
    page: Page
    layout: Layout
    points: Sequence[bytes]
    row: int
    """The row of the first point."""


@dataclass(slots=True, eq=False)
class Cuts:
    """The points of a request that are cut."""

    rows: Rows
    read: Read
    cut: Collection[int] | None = None
    """Metrics of the request that may be cut, for all their points are known to fit; None: it is to be found out."""
    _spans: dict[Order, list[_Span]] = field(default_factory=dict)
    _metric: int = 0

    def take(self, page: Page, points: Sequence[bytes]) -> bool:
        """Whether rows are kept for all points of the next metric; else they are to be parsed."""
        self._metric += 1
        layout = page.layout
        if layout is None or page.parsed_next or self.cut is not None or not points:
            layout = self._layout_of(page, points)
            if layout is None:
                return False
        spans = self._spans.get(layout.order)
        if spans is None:
            spans = self._spans[layout.order] = []
        spans.append(_Span(self._metric, page, layout, points, self.rows.reserve(len(points))))
        return True

    def _layout_of(self, page: Page, points: Sequence[bytes]) -> Layout | None:
        """How these points are laid out; None where they are to be parsed."""
        if self.cut is not None and self._metric not in self.cut:
            return None
        if page.parsed_next or not points:
            page.parsed_next = max(0, page.parsed_next - 1)
            return None
        if page.layout is None:
            page.layout = layout_of(points[0])
            if page.layout is None:
                page.parsed_next = PARSED_NEXT
        layout: Layout | None = page.layout
        return layout

    def taken(self) -> set[int]:
        """Metrics that are cut."""
        return {span.metric for spans in self._spans.values() for span in spans}

    def fill(self) -> set[int]:
        """Fill in the rows; the metrics of which a point does not fit, for which nothing counts."""
        misfits: set[int] = set()
        self.rows.pad()
        for order, spans in self._spans.items():
            misfits |= self._fill(order, spans)
        return misfits

    def _fill(self, order: Order, spans: Sequence[_Span]) -> set[int]:
        misfits: set[int] = set()
        fixed = _fixed(order, spans)
        if fixed is None:
            misfits = {span.metric for span in spans if not _is_laid_out(span)}
        places = _places_of(spans)
        if None in places:
            misfits |= self._introduce(spans, misfits, places)
        if fixed is not None and not misfits:
            rows = _rows_of(spans)
            np.frombuffer(self.rows.place, np.int32)[rows] = places  # type: ignore[assignment]  # no None is left
            for firsts, joined in zip(order, fixed, strict=True):
                if firsts:
                    self._read(rows, firsts, joined)
        return misfits

    def _introduce(
        self, spans: Sequence[_Span], misfits: Collection[int], places: list[int | None]
    ) -> set[int]:
        """Find the series that are new; the metrics of which one cannot be told."""
        untold, end = set(), 0
        for span in spans:
            begin, end = end, end + len(span.points)
            if span.metric in misfits:
                continue
            for at, point in enumerate(span.points, begin):
                if places[at] is None:
                    places[at] = self._place_of(span.page, span.layout.middle(point))
            if None in places[begin:end]:
                untold.add(span.metric)
        return untold

    def _place_of(self, page: Page, spelling: bytes) -> int | None:
        """Where the series of these attributes stands; None for what is none, or is not remembered."""
        if attributes_end(spelling) != len(spelling):
            return None
        with suppress(Rejected):
            place = page.ref_of(spelling, self.read).place
            return None if place < 0 else place
        return None

    def _read(self, rows: Places, order: bytes, joined: bytes) -> None:
        """The numbers of fixed fields that follow each other in this order."""
        cells = np.frombuffer(joined, cells_of(len(order)))
        for at, (first, name) in enumerate(zip(order, NUMBERS, strict=False)):
            numbers = cells[name]
            if first in (START, TIME):
                column = self.rows.start if first == START else self.rows.time
                np.frombuffer(column, np.uint64)[rows] = numbers
                continue
            value = numbers.view("<f8")
            if AS_INT in joined[WIDTH * at :: WIDTH * len(order)]:
                integer = cells[FIRSTS[at]] == AS_INT
                value = np.where(integer, numbers.view("<i8").astype(np.float64), value)
            np.frombuffer(self.rows.value, np.float64)[rows] = value


def _fixed(order: Order, spans: Sequence[_Span]) -> tuple[bytes, bytes] | None:
    """The fixed fields of all points, None where one is laid out otherwise."""
    count = sum(len(span.points) for span in spans)
    heads = b"".join([span.layout.heads(span.points) for span in spans])
    tails = b"".join([span.layout.tails(span.points) for span in spans]) if order.tail else b""
    if are_laid_out(heads, order.head, count) and are_laid_out(tails, order.tail, count):
        return heads, tails
    return None


def _is_laid_out(span: _Span) -> bool:
    """Whether all points are laid out as their page says; else it is to learn anew."""
    if _fixed(span.layout.order, [span]) is not None:
        return True
    span.page.layout = None
    return False


def _places_of(spans: Sequence[_Span]) -> list[int | None]:
    """Where the series of each point stands; None for one that is not known."""
    places: list[int | None] = []
    for span in spans:
        places += map(span.page.places.get, map(span.layout.middle, span.points))
    return places


def _rows_of(spans: Sequence[_Span]) -> Places:
    """The rows of all points of these spans."""
    counts = [len(span.points) for span in spans]
    first, end = spans[0].row, spans[-1].row + counts[-1]
    if end - first == sum(counts):  # they follow each other
        return slice(first, end)
    ends = np.cumsum(counts)
    shift = np.repeat(np.array([span.row for span in spans]) - ends + counts, counts)
    return np.asarray(np.arange(ends[-1]) + shift)
