"""Exponential histograms to buckets: those of OTLP, and native ones of Prometheus, whose schema is a scale.

Bucket i of scale s holds what is above 2^(i / 2^s), up to 2^((i + 1) / 2^s). As its values spread, a client makes its
scale coarser, and bucket i becomes i // 2. Running totals of finer scales are brought to `SCALE`, so that their buckets
stay the same: 160 of them span 12 orders of magnitude. Invariant: equal buckets have equal values, to the bit, on every
machine, and each is within `ERROR` of all that its bucket holds, as far as the scale is `SCALE` or finer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.histograms import CODE, COUNTS
from shared.errors import Rejected
from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT

SCALE = 2
"""Of running totals: four buckets from each power of two to the next. Increments keep the scale that they come with."""

ERROR = 0.0865
"""Largest relative error at `SCALE`; of each coarser scale about twice that of the one before."""

MIN_SCALE, MAX_SCALE = -10, 20
"""Scales of OpenTelemetry's data model."""

BLOCK = 32
"""Of running totals, so many buckets in a row are told together, empty ones too.

A bucket that has its first total when its client is older than 20 minutes would else lose that one."""

MAX_COUNTS = 1024
"""Counts of one sign; 160 are usual."""

MAX_BUCKETS = 40 * BLOCK
"""Buckets of one sign as they go on."""

SCALES = f"scale: must be {MIN_SCALE} to {MAX_SCALE}"
SIZE = f"histogram: at most {MAX_COUNTS} counts of one sign, spread over at most {MAX_BUCKETS} buckets"
MAGNITUDE = f"histogram: values must be at most {MAX_MAGNITUDE:g} in magnitude"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROOTS = np.array([1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429])
"""2^(k / 4). As literals: machines compute powers with other last places, and values name streams."""

_OCTAVES = int(np.log2(MAX_MAGNITUDE))
"""Powers of two on either side of 1 that are told apart; what is nearer to zero counts as zero."""


class Side(NamedTuple):
    """The buckets of the positive values, or of the negative ones."""

    offset: int
    """Index of the first."""
    counts: Sequence[float]


def is_coarse(scale: int) -> bool:
    """Whether running totals of this scale are streams of their own.

    Then their stream id is to name the scale, and their start is to be unknown: their first totals hold what a finer
    scale has counted before.
    """
    return scale < SCALE


def exponential(
    scale: int, zero_count: int, positive: Side, negative: Side, *, total: bool
) -> tuple[Floats, Floats]:
    """The values of all buckets, ascending, and what lies in each, of totals or of increments; raise `Rejected`."""
    if not MIN_SCALE <= scale <= MAX_SCALE:
        raise Rejected(CODE, SCALES)
    above, below = (_laid(side, scale, total=total) for side in (positive, negative))
    value = np.concatenate((-below.values[::-1], [0.0], above.values))
    zero = float(zero_count) + below.near_zero + above.near_zero
    count = np.concatenate((below.counts[::-1], [zero], above.counts))
    if not ((count >= 0) & (count <= MAX_WEIGHT)).all():
        raise Rejected(CODE, COUNTS)
    return value, count


class _Laid(NamedTuple):
    """One side: the magnitudes of its buckets, ascending, and what lies in each."""

    values: Floats
    counts: Floats
    near_zero: float
    """What lies too near to zero for a bucket."""


def _laid(side: Side, given: int, *, total: bool) -> _Laid:
    """The buckets of one side that are told; raise `Rejected`."""
    if len(side.counts) > MAX_COUNTS:
        raise Rejected(CODE, SIZE)
    counts = np.array(side.counts, np.float64)
    filled = np.flatnonzero(counts)
    scale = min(given, SCALE) if total else given
    index, place = np.unique(side.offset + filled >> given - scale, return_inverse=True)
    count: Floats = np.bincount(place, counts[filled], len(index)).astype(np.float64)
    first, end = _span(scale)
    if len(index) and index[-1] >= end:
        raise Rejected(CODE, MAGNITUDE)
    near_zero = float(count[index < first].sum())
    index, count = index[index >= first], count[index >= first]
    if total:
        index, count = _whole_blocks(index, count, scale)
    return _Laid(_values(index, scale), count, near_zero)


def _whole_blocks(index: Ints, count: Floats, scale: int) -> tuple[Ints, Floats]:
    """With the empty buckets beside these; raise `Rejected` for too many."""
    blocks = np.unique(index // BLOCK)
    if len(blocks) * BLOCK > MAX_BUCKETS:
        raise Rejected(CODE, SIZE)
    first, end = _span(scale)
    every = (blocks[:, np.newaxis] * BLOCK + np.arange(BLOCK)).ravel()
    every = every[(every >= first) & (every < end)]
    filled = np.zeros(len(every))
    filled[every.searchsorted(index)] = count
    return every, filled


def _span(scale: int) -> tuple[int, int]:
    """The first bucket that is told apart from zero, and the first that is too large."""
    if scale >= 0:
        return -_OCTAVES << scale, _OCTAVES << scale
    return -_OCTAVES >> -scale, -(-_OCTAVES >> -scale)


def _values(index: Ints, scale: int) -> Floats:
    """The value that is as near to the lower side of each bucket as to the upper one, as a part of them."""
    if scale > SCALE:
        part = np.exp2((index & (1 << scale) - 1) / (1 << scale))
        lower, ratio = np.ldexp(part, (index >> scale).astype(np.int32)), 2.0 ** (2.0**-scale)
        return np.asarray(lower * (2 * ratio / (1 + ratio)))
    lower, upper = _quarters(index << SCALE - scale), _quarters(index + 1 << SCALE - scale)
    # Divided first, so that nothing overflows.
    return np.asarray(2 * lower * (upper / (lower + upper)))


def _quarters(index: Ints) -> Floats:
    """2^(index / 4), as far as float64 reaches: of the coarsest scales one bucket is wider than that."""
    return np.asarray(np.ldexp(_ROOTS[index & 3], np.clip(index >> 2, -1000, 1000).astype(np.int32)))
