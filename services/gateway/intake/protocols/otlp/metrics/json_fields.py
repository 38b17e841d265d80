"""What an export request of metrics says in JSON, in the three ways that clients write it.

64-bit integers are numbers or strings, what is empty is absent, null or empty, and what is no number is "NaN" or null:
decoders of these types are to be lax. Nanoseconds since 1970. Attributes stay text: most have come before.
"""

from typing import Generic, TypeVar

import msgspec

M = TypeVar("M")
P = TypeVar("P")

ABSENT = msgspec.Raw(b"")
"""Attributes, a resource or a scope that were not given."""


class PointFields(msgspec.Struct, gc=False, rename="camel"):
    """What all points have."""

    attributes: msgspec.Raw = ABSENT
    start_time_unix_nano: int | None = 0
    time_unix_nano: int | None = 0
    flags: int | None = 0


class NumberFields(PointFields, gc=False, rename="camel"):
    """A point of a gauge or a sum."""

    as_double: float | None = None
    as_int: int | None = None


class HistogramFields(PointFields, gc=False, rename="camel"):
    """A point of an explicit histogram."""

    count: int | None = 0
    sum: float | None = None
    bucket_counts: list[int] | None = None
    explicit_bounds: list[float] | None = None


class SideFields(msgspec.Struct, gc=False, rename="camel"):
    """The buckets of one sign."""

    offset: int | None = 0
    bucket_counts: list[int] | None = None


class ExponentialFields(PointFields, gc=False, rename="camel"):
    """A point of an exponential histogram."""

    scale: int | None = 0
    zero_count: int | None = 0
    positive: SideFields | None = None
    negative: SideFields | None = None


class QuantileFields(msgspec.Struct, gc=False):
    """A quantile of a summary."""

    quantile: float | None = 0.0
    value: float | None = None


class SummaryFields(PointFields, gc=False, rename="camel"):
    """A point of a summary."""

    count: int | None = 0
    sum: float | None = None
    quantile_values: list[QuantileFields] | None = None


class Points(msgspec.Struct, Generic[P], gc=False, rename="camel"):
    """The points of a metric."""

    data_points: list[P] | None = None
    aggregation_temporality: int | str | None = 0
    is_monotonic: bool | None = False


class MetricFields(msgspec.Struct, gc=False, rename="camel"):
    """A metric all of whose points fit."""

    name: str | None = ""
    unit: str | None = ""
    gauge: Points[NumberFields] | None = None
    sum: Points[NumberFields] | None = None
    histogram: Points[HistogramFields] | None = None
    exponential_histogram: Points[ExponentialFields] | None = None
    summary: Points[SummaryFields] | None = None


class PointsAlone(msgspec.Struct, gc=False, rename="camel"):
    """The points of a metric, whatever else it says."""

    gauge: Points[msgspec.Raw] | None = None
    sum: Points[msgspec.Raw] | None = None
    histogram: Points[msgspec.Raw] | None = None
    exponential_histogram: Points[msgspec.Raw] | None = None
    summary: Points[msgspec.Raw] | None = None


class RawMetric(PointsAlone, gc=False, rename="camel"):
    """A metric whose points are looked at one by one."""

    name: str | None = ""
    unit: str | None = ""


class ScopeMetrics(msgspec.Struct, Generic[M], gc=False, rename="camel"):
    """The metrics of a scope."""

    scope: msgspec.Raw = ABSENT
    metrics: list[M] | None = None


class ResourceMetrics(msgspec.Struct, Generic[M], gc=False, rename="camel"):
    """The metrics of a resource."""

    resource: msgspec.Raw = ABSENT
    scope_metrics: list[ScopeMetrics[M]] | None = None


class MetricsRequest(msgspec.Struct, Generic[M], gc=False, rename="camel"):
    """An export request."""

    resource_metrics: list[ResourceMetrics[M]] | None = None
