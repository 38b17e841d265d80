"""Native histograms, exponential or with custom bounds, to buckets of ours.

Those of a request are laid end to end, with custom bounds first. A schema of Prometheus is a scale of OpenTelemetry,
and its bucket i is there called i - 1. Milliseconds UTC.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.exponential import MAX_COUNTS, SCALE, SIZE, Side, exponential, is_coarse
from services.gateway.intake.columns.histograms import CODE, Buckets, HistogramRow, buckets_of
from services.gateway.intake.columns.histograms import MAX_BUCKETS as MAX_OWN_BUCKETS
from services.gateway.intake.columns.optional_columns import stream_id
from services.gateway.intake.domain.admission import Rejection
from shared.errors import Rejected
from shared.wire.envelope import MAX_ROWS

CUSTOM = -53
"""Schema of custom bounds."""

SCHEMAS = range(-4, 9)
"""Schemas of exponential buckets."""

OF_LEVELS = 3
"""Reset hint of a histogram of levels, such as `rate` makes."""

MAX_BUCKETS = 400_000
"""Buckets of all histograms of a request; Prometheus sends 2,000 histograms at once."""

MAX_READ = 4_096
"""Buckets, and spans, of one sign of a histogram that are looked at."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Native(NamedTuple):
    """A native histogram that was read."""

    ts_ms: int
    start_ms: int
    """0: unknown."""
    stream: int
    """What tells its totals apart beside its labels: a coarse scale; 0: nothing."""
    bounds: Sequence[float]
    """Upper ends of all buckets but the last; empty where the buckets are exponential."""
    values: Floats
    """Values of exponential buckets; empty where there are bounds."""
    counts: Floats


def native(histogram: Any) -> Native:
    """The buckets of a message; raise `Rejected` for one that cannot be read."""
    if histogram.reset_hint == OF_LEVELS:
        raise Rejected("unsupported_kind", "histogram: of levels, which do not add up, is not taken")
    times = histogram.timestamp, histogram.start_timestamp
    if histogram.schema == CUSTOM:
        bounds, counted = _custom(histogram)
        return Native(*times, 0, bounds, np.empty(0), counted)
    if histogram.schema not in SCHEMAS:
        raise Rejected(CODE, f"schema: must be {CUSTOM}, or {SCHEMAS.start} to {SCHEMAS.stop - 1}")
    scale = min(histogram.schema, SCALE)
    zero = histogram.zero_count_int + histogram.zero_count_float
    positive = histogram.positive_spans, histogram.positive_deltas, histogram.positive_counts
    negative = histogram.negative_spans, histogram.negative_deltas, histogram.negative_counts
    sides = [_side(_filled(*each), histogram.schema - scale) for each in (positive, negative)]
    values, counts = exponential(scale, zero, *sides, total=True)
    if is_coarse(histogram.schema):
        return Native(times[0], 0, stream_id(b"scale %d" % histogram.schema), (), values, counts)
    return Native(*times, 0, (), values, counts)


def check_room(room: int) -> None:
    """Raise `Rejected` where the buckets of a request are too many."""
    if room < 0:
        raise Rejected("too_many_buckets", f"histogram: at most {MAX_BUCKETS} buckets a request")


def laid(found: Sequence[Native], first_row: int) -> tuple[Buckets | None, list[Rejection]]:
    """The buckets of histograms, those with bounds first, as rows from `first_row` on; and the refusals by row."""
    parts: list[Buckets] = []
    refused: list[Rejection] = []
    group: list[HistogramRow] = []
    exponentials = [(row, each) for row, each in enumerate(found, first_row) if not len(each.bounds)]
    for row, each in enumerate(found[: len(found) - len(exponentials)], first_row):
        if sum(len(one.counts) for one in group) + len(each.counts) > MAX_ROWS:
            _lay(group, parts, refused)
            group = []
        group.append(HistogramRow(row, each.bounds, each.counts.tolist(), "cumulative"))
    _lay(group, parts, refused)
    if exponentials:
        rows = np.array([row for row, _ in exponentials], np.int64)
        size = np.array([len(each.counts) for _, each in exponentials], np.int64)
        middles = np.concatenate([each.values for _, each in exponentials])
        counts = np.concatenate([each.counts for _, each in exponentials])
        parts.append(Buckets(rows, size, np.ones(len(rows), np.bool_), middles, counts))
    if not parts:
        return None, refused
    columns = zip(
        *((each.row, each.size, each.total, each.middle, each.count) for each in parts), strict=True
    )
    return Buckets(*map(np.concatenate, columns)), refused


def _lay(group: list[HistogramRow], parts: list[Buckets], refused: list[Rejection]) -> None:
    buckets, refusals = buckets_of(group, None)
    refused += refusals
    if buckets is not None:
        parts.append(buckets)


def _custom(histogram: Any) -> tuple[list[float], Floats]:
    if not 0 < len(histogram.custom_values) < MAX_OWN_BUCKETS:
        raise Rejected(CODE, f"custom_values: must be 1 to {MAX_OWN_BUCKETS - 1} bounds")
    bounds = list(histogram.custom_values)
    index, count = _filled(histogram.positive_spans, histogram.positive_deltas, histogram.positive_counts)
    if len(index) and not (index.min() >= 0 and index.max() <= len(bounds)):
        raise Rejected(CODE, "positive_spans: name a bucket without a bound")
    return bounds, np.bincount(index, count, len(bounds) + 1).astype(np.float64)


def _side(filled: tuple[Ints, Floats], halvings: int) -> Side:
    """The buckets on one side of zero, so many scales coarser and without gaps; raise `Rejected` for too many."""
    index, count = filled[0][filled[1] != 0] - 1 >> halvings, filled[1][filled[1] != 0]
    if not len(index):
        return Side(0, ())
    first, size = int(index.min()), int(np.ptp(index)) + 1
    if size > MAX_COUNTS:
        raise Rejected(CODE, SIZE)
    return Side(first, np.bincount(index - first, count, size).tolist())


def _filled(spans: Sequence[Any], deltas: Sequence[int], counts: Sequence[float]) -> tuple[Ints, Floats]:
    """Index and count of each bucket; raise `Rejected` where spans and counts do not fit.

    Counts are of histograms of floats; of whole numbers each is told less the one before it.
    """
    if max(map(len, (spans, deltas, counts))) > MAX_READ:
        raise Rejected(CODE, SIZE)
    given = (
        np.array(counts, np.float64)
        if len(counts)
        else np.cumsum(np.array(deltas, np.int64)).astype(np.float64)
    )
    gaps = np.array([span.offset for span in spans], np.int64)
    lengths = np.array([span.length for span in spans], np.int64)
    if lengths.sum() != len(given):
        raise Rejected(CODE, "spans: must name as many buckets as there are counts")
    # The gaps before a bucket move it on.
    return np.repeat(np.cumsum(gaps), lengths) + np.arange(len(given)), given
