"""Samples of StatsD lines to columns of points.

Counters, timings, histograms and distributions are deltas; a timing of type `ms` is in seconds here. A set counts
different texts. A gauge with a sign adds to what this process heard last; clients can send a level below 0 only as a
zero and what to take from it, and that zero is no point. Milliseconds UTC.
"""

from collections.abc import Sequence
from itertools import compress, pairwise
from math import isfinite

import numpy as np
from cachetools import LRUCache
from msgspec import UNSET
from numpy.typing import NDArray

from services.gateway.intake.columns.contract import PointColumns
from services.gateway.intake.columns.foreign_labels import unpacked
from services.gateway.intake.columns.optional_columns import distinct_column, is_given
from services.gateway.intake.protocols.statsd.lines import TYPES, Sample

MAX_GAUGES = 10_000
"""Gauges whose last value is remembered, so that a sign can add to it."""

_UNITS = {"ms": "s"}


class LastGauges:
    """The last value of each gauge that this process heard, 0 of those that it did not."""

    def __init__(self, max_gauges: int = MAX_GAUGES) -> None:
        self._values: LRUCache[tuple[int, str, bytes], float] = LRUCache(max_gauges)

    def value(self, tenant_id: int, sample: Sample) -> float:
        """What a gauge is now: its value, or the last one and what a sign adds."""
        series = tenant_id, sample.name, sample.labels
        value = float(sample.value)
        if sample.value[0] in "+-":
            value += self._values.get(series, 0.0)
        if isfinite(value):
            self._values[series] = value
        return value


def point_columns(
    samples: Sequence[Sample], index: Sequence[int], gauges: LastGauges, tenant_id: int, received_at_ms: int
) -> PointColumns:
    """The columns of samples; `index` says which line each is of."""
    values = [_value(sample, gauges, tenant_id) for sample in samples]
    if not all(kept := _kept(samples)):
        samples, index = list(compress(samples, kept)), list(compress(index, kept))
        values = list(compress(values, kept))
    times = [sample.ts_ms for sample in samples]
    labels = [sample.labels for sample in samples]
    columns = PointColumns(
        [sample.name for sample in samples],
        labels,
        lambda row: unpacked(labels[row]),
        [(TYPES[sample.type], _UNITS.get(sample.type, "")) for sample in samples],
        np.array([received_at_ms if ts is None else ts for ts in times], np.int64),
        np.array(values, np.float64),
        _weights(samples),
        timed=None not in times,
        index=index,
    )
    sets = [sample.value if sample.type == "s" else UNSET for sample in samples]
    if is_given(sets):
        columns.distinct, columns.refused = distinct_column(sets, np.ones(len(samples), np.bool_))
    return columns


def _kept(samples: Sequence[Sample]) -> list[bool]:
    """All but those that set a gauge to 0 for the sample behind them, which takes from it."""
    zeros = (
        zero.type == "g" and zero.value == "0" and taken.value[0] == "-"
        and taken == zero._replace(value=taken.value)
        for zero, taken in pairwise(samples)
    )  # fmt: skip
    return [not each for each in zeros] + [True] * bool(samples)


def _weights(samples: Sequence[Sample]) -> NDArray[np.float64] | None:
    weights = np.array([sample.weight for sample in samples], np.float64)
    return None if (weights == 1).all() else weights


def _value(sample: Sample, gauges: LastGauges, tenant_id: int) -> float:
    match sample.type:
        case "s":
            return 1.0
        case "g":
            return gauges.value(tenant_id, sample)
        case "ms":
            return float(sample.value) / 1000
        case _:
            return float(sample.value)
