"""Rollups of a few points, as a fold makes them."""

from collections.abc import Iterable, Sequence

import numpy as np

from shared.model import sketch
from shared.model.rollup import Rollups


def rows_of(windows: Iterable[tuple[int, int, Sequence[float]]]) -> Rollups:
    """A closed row for each (slot, start in ms, values), the last value the latest; at least one value each."""
    slots, starts, values = zip(*windows, strict=True)
    sketches = [sketch.merge(sketch.buckets_of(np.array(each)), np.ones(len(each))) for each in values]
    rows = len(slots)
    counts = np.array([len(each) for each in values], np.float64)
    return Rollups(
        slot=np.array(slots, np.int64),
        start_ms=np.array(starts, np.int64),
        count=counts,
        samples=counts,
        sum=np.array([sum(each) for each in values]),
        min=np.array([min(each) for each in values]),
        max=np.array([max(each) for each in values]),
        last=np.array([each[-1] for each in values]),
        last_ms=np.array(starts, np.int64),
        estimated=np.zeros(rows, np.bool_),
        revision=np.zeros(rows, np.int64),
        late_count=np.zeros(rows, np.int64),
        watermark_ms=np.zeros(rows, np.int64),
        sketch_at=np.cumsum([0, *(len(bucket) for bucket, _ in sketches)], dtype=np.int64),
        bucket=np.concatenate([bucket for bucket, _ in sketches]),
        weight=np.concatenate([weight for _, weight in sketches]),
        distinct_at=np.zeros(rows + 1, np.int64),
        register=np.zeros(0, np.uint16),
        rank=np.zeros(0, np.uint8),
    )
