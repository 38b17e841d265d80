"""Parts of a flush: points of one partition, as many as fit into a message, and the span of rows of each request.

Bytes as the names say. The rows of one request in a partition stay in one message. Where they exceed it, their division
depends on nothing but themselves, so that a repeat is divided alike whatever else is in the flush.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.point import Points
from shared.wire import envelope

MAX_BYTES = 700_000
"""Size of a message before compression, well below the broker's limit on records."""

ROW_BYTES = 42
"""Bytes of one row with every column of version 4: whether they are there depends on the neighbours.

`stream` takes 8 more, which `MAX_BYTES` leaves room for: gateways of both versions divide a repeat alike."""

LINE_BYTES = 24
"""Bytes of a ledger entry, of which a message has at most one a series, and of what is pending besides."""

SPAN_BYTES = 32
"""Bytes that a message spends on the id of a span."""


class Span(NamedTuple):
    """Rows of a piece that came in one request."""

    source: int
    """Which request of the flush."""
    number: int
    """Which part of the request's rows in this partition."""
    first: int
    rows: int


@dataclass(slots=True)
class Piece:
    """Points of one partition with the packed series that their slots point into."""

    partition: int
    series: list[bytes]
    points: Points
    source: NDArray[np.int32]
    """Which request of the flush each point came in, ascending."""
    spans: Sequence[Span] = ()
    """All rows, request by request."""


def bounded(piece: Piece) -> Iterator[Piece]:
    """The piece, in several where it is too large for a message, with its spans."""
    spans = _spans(piece.source)
    if _fits(len(piece.points), len(spans), piece.series):
        piece.spans = spans
        piece.points.slot = piece.points.slot.astype(np.uint16)
        yield piece
        return
    parted = []
    for span in spans:
        parts = _parts(piece, span.first, span.first + span.rows)
        parted += [span._replace(number=at, first=a, rows=b - a) for at, (a, b) in enumerate(parts)]
    yield from _gathered(piece, parted)


def _spans(source: NDArray[np.int32]) -> list[Span]:
    first = np.concatenate(([0], np.flatnonzero(source[1:] != source[:-1]) + 1))
    rows = np.diff(first, append=len(source))
    triples = zip(source[first].tolist(), first.tolist(), rows.tolist(), strict=True)
    return [Span(one, 0, begin, count) for one, begin, count in triples]


def _fits(rows: int, spans: int, series: Sequence[bytes]) -> bool:
    size = rows * ROW_BYTES + spans * SPAN_BYTES + len(series) * LINE_BYTES + sum(map(len, series))
    return rows <= envelope.MAX_ROWS and (size <= MAX_BYTES or rows == 1)


def _parts(piece: Piece, begin: int, end: int) -> list[tuple[int, int]]:
    """The span, halved until each part would fit into a message of its own."""
    if _fits(end - begin, 1, _series(piece, begin, end)):
        return [(begin, end)]
    middle = (begin + end) // 2
    return _parts(piece, begin, middle) + _parts(piece, middle, end)


def _series(piece: Piece, begin: int, end: int) -> list[bytes]:
    return [piece.series[slot] for slot in np.unique(piece.points.slot[begin:end]).tolist()]


def _gathered(piece: Piece, spans: Sequence[Span]) -> Iterator[Piece]:
    """The piece, halved between spans until each part fits."""
    begin, end = spans[0].first, spans[-1].first + spans[-1].rows
    if len(spans) == 1 or _fits(end - begin, len(spans), _series(piece, begin, end)):
        yield _taken(piece, begin, end, spans)
        return
    middle = len(spans) // 2
    yield from _gathered(piece, spans[:middle])
    yield from _gathered(piece, spans[middle:])


def _taken(piece: Piece, begin: int, end: int, spans: Sequence[Span]) -> Piece:
    distinct, renumbered = renumbered_slots(piece.points.slot[begin:end], len(piece.series))
    points = piece.points.rows(slice(begin, end))
    points.slot = renumbered.astype(np.uint16)
    series = [piece.series[slot] for slot in distinct.tolist()]
    moved = [span._replace(first=span.first - begin) for span in spans]
    return Piece(piece.partition, series, points, piece.source[begin:end], moved)


def renumbered_slots(slots: NDArray[np.integer], size: int) -> tuple[NDArray[np.integer], NDArray[np.int32]]:
    """The distinct slots in order of their last appearance, and for every row its place among them."""
    scratch = np.empty(size, np.int32)
    rows = np.arange(len(slots), dtype=np.int32)
    scratch[slots] = rows  # the last row of a slot stands for it
    distinct = slots[scratch[slots] == rows]
    scratch[distinct] = rows[: len(distinct)]
    return distinct, scratch[slots]
