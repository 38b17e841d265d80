"""The points of one metric as rows, whatever dialect they came in.

Nanoseconds since 1970. A histogram without buckets and a summary say no more than a count and a sum: increments become
a mean with the count as its weight, running totals become two series, `<name>_count` and `<name>_sum`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

import msgspec

from services.gateway.intake.columns.contract import SeriesRef
from services.gateway.intake.columns.exponential import Side, exponential, is_coarse
from services.gateway.intake.columns.histograms import HistogramRow
from services.gateway.intake.columns.optional_columns import stream_id
from services.gateway.intake.protocols.otlp.map import Attributes, text_of
from services.gateway.intake.protocols.otlp.memory import Metric, Page
from services.gateway.intake.protocols.otlp.metrics.rows import Rows, Times
from services.gateway.intake.protocols.otlp.metrics.spread import SpreadRow
from shared.errors import Rejected

NO_RECORDED_VALUE = 1
"""The flag of a point that says only that its series has ended."""

COUNT, SUM_OF = "_count", "_sum"
"""What is added to the names of totals that have no buckets, as Prometheus does."""

QUANTILE = "quantile"
"""The label of a summary's quantiles."""

NO_VALUE = "value: must be given, a number"
NO_BUCKETS = "histogram: has neither buckets nor a sum"

_labels = msgspec.msgpack.Decoder(dict[str, str]).decode


@dataclass(slots=True, eq=False)
class MetricPoints:
    """Where the points of a metric go; a point is told by the bytes of its attributes."""

    page: Page
    rows: Rows
    dialect: str
    read: Callable[[bytes], Attributes]
    """Reads attributes; raises `Rejected`."""

    def number(self, spelling: bytes, times: Times, value: float | None) -> None:
        """A gauge or a sum; raise `Rejected` for one without a value."""
        ref = self.page.ref_of(spelling, self.read)
        if value is None:
            raise Rejected("invalid_value", NO_VALUE)
        self.rows.add(ref, times, value)

    def histogram(  # noqa: PLR0917 - the fields of a point
        self,
        spelling: bytes,
        times: Times,
        count: int,
        total: float | None,
        bounds: Sequence[float],
        counts: Sequence[float],
    ) -> None:
        """An explicit histogram; raise `Rejected` for one that says nothing of its values."""
        ref = self.page.ref_of(spelling, self.read)
        if not bounds and len(counts) <= 1:
            self._unbucketed(spelling, times, count, total)
            return
        self.rows.room_for(len(counts))
        row = self.rows.add(ref, times, 0.0)
        kind = "delta" if ref.kind == "delta" else "cumulative"
        self.rows.histograms.append(HistogramRow(row, bounds, counts, kind))

    def exponential(  # noqa: PLR0917 - the fields of a point
        self, spelling: bytes, times: Times, scale: int, zero_count: int, positive: Side, negative: Side
    ) -> None:
        """An exponential histogram; raise `Rejected` for one beyond its ranges.

        Running totals of a coarse scale are a stream of their own, with an unknown start.
        """
        ref = self.page.ref_of(spelling, self.read)
        total = ref.kind != "delta"
        middles, counts = exponential(scale, zero_count, positive, negative, total=total)
        self.rows.room_for(len(counts))
        if total and is_coarse(scale):
            ref = self.page.derived_ref(spelling, str(scale), partial(_of_scale, ref, scale))
            times = times._replace(start=0)
        row = self.rows.add(ref, times, 0.0)
        self.rows.spreads.append(SpreadRow(row, middles, counts, total))

    def summary(
        self,
        spelling: bytes,
        times: Times,
        count: int,
        total: float,
        quantiles: Iterable[tuple[float, float]],
    ) -> None:
        """A summary: its totals, and a gauge for each quantile that has a value."""
        self._totals(spelling, times, count, total)
        ref = self.page.ref_of(spelling, self.read)
        for quantile, value in quantiles:
            if isfinite(value):
                said = text_of(quantile)
                self.rows.add(
                    self.page.derived_ref(spelling, said, partial(_of_quantile, ref, said)), times, value
                )

    def _unbucketed(self, spelling: bytes, times: Times, count: int, total: float | None) -> None:
        ref = self.page.ref_of(spelling, self.read)
        if ref.kind != "delta":
            self._totals(spelling, times, count, total)
        elif count:
            if total is None or not isfinite(total):
                raise Rejected("invalid_histogram", NO_BUCKETS)
            self.rows.add(ref, times, total / count, count)

    def _totals(self, spelling: bytes, times: Times, count: int, total: float | None) -> None:
        self.rows.add(self._total(COUNT, "1").ref_of(spelling, self.read), times, count)
        if total is not None and isfinite(total):
            unit = self.page.metric.unit
            self.rows.add(self._total(SUM_OF, unit).ref_of(spelling, self.read), times, total)

    def _total(self, suffix: str, unit: str) -> Page:
        metric = Metric(self.page.metric.name + suffix, "cumulative", unit, suffix)
        return self.page.origin.page((self.dialect, metric), metric)


def _of_scale(ref: SeriesRef, scale: int) -> SeriesRef:
    """The stream of running totals of one scale."""
    return SeriesRef(ref.name, ref.kind, ref.unit, ref.labels, stream_id(b"%d %d" % (ref.stream, scale)))


def _of_quantile(ref: SeriesRef, said: str) -> SeriesRef:
    labels = _labels(ref.labels) | {QUANTILE: said}
    return SeriesRef(ref.name, "gauge", ref.unit, msgspec.msgpack.encode(labels, order="sorted"))
