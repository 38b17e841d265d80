"""Whose a running total is: the series, the bucket, the stream id and the start. Milliseconds UTC.

Streams and starts are looked up by keys of 64 bits, made of the numbers that middles of buckets and stream ids have in
a partition, and of those that streams have.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.totals.history import TIME_BITS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_MIDDLE_BITS, _ID_BITS = 21, 21
"""Of the key of a stream, beside those of a slot: 0 without buckets, else one more than the number of the middle; and
the number of the stream id. There are no more numbers than starts, which are fewer than 2^20."""


class Owners(NamedTuple):
    """The streams and starts that totals belong to."""

    slot: NDArray[np.integer]
    histogram: Mask
    """Whether they are a bucket's."""
    middle: Floats
    """Middle of the bucket; 0 without."""
    start_ms: Ints
    """Since when they count; 0 where unknown."""
    stream_id: NDArray[np.uint64] | None = None
    """What tells them apart within the series, 0 where nothing does; None: nothing does, or nobody asks."""

    def rows(self, index: Mask | Ints) -> "Owners":
        """These rows."""
        return Owners(*[None if column is None else column[index] for column in self])  # type: ignore[arg-type]


def ids_of(stream_id: NDArray[np.uint64]) -> Ints:
    """The stream ids as a numbering takes them."""
    return stream_id.view(np.int64)


def stream_keys(slot: NDArray[np.integer], histogram: Mask, middle: Ints, number: Ints | int) -> Ints:
    """The key of each stream; where the middle or the id has no number, one that no stream has."""
    return (
        slot.astype(np.int64) << _MIDDLE_BITS + _ID_BITS | number << _MIDDLE_BITS | (middle + 1) * histogram
    )


def start_keys(stream: Ints, start_ms: Ints) -> Ints:
    """The key of each start; where the stream has no number, one that no start has."""
    return stream << TIME_BITS | start_ms
