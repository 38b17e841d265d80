"""Histograms that come with the values of their buckets, and all histograms of a request together.

The others come with bounds; both stand in the order of their rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.histograms import Buckets

Floats = NDArray[np.float64]


class SpreadRow(NamedTuple):
    """A row that is a histogram with the values of its buckets, which ascend."""

    row: int
    middles: Floats
    counts: Floats
    total: bool
    """Whether the counts are running totals."""


def merged(buckets: Buckets | None, spreads: Sequence[SpreadRow]) -> Buckets | None:
    """All histograms, in the order of their rows."""
    if not spreads:
        return buckets
    parts = [
        Buckets(
            np.array([one.row for one in spreads], np.int64),
            np.array([len(one.counts) for one in spreads], np.int64),
            np.array([one.total for one in spreads], np.bool_),
            np.concatenate([one.middles for one in spreads]),
            np.concatenate([one.counts for one in spreads]),
        )
    ]
    if buckets is not None:
        parts.append(buckets)
    row, size, total, middle, count = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "size", "total", "middle", "count")
    )
    order = np.argsort(row, kind="stable")
    of_bucket = np.argsort(np.repeat(row, size), kind="stable")
    return Buckets(row[order], size[order], total[order], middle[of_bucket], count[of_bucket])
