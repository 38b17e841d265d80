"""Metrics in JSON to rows.

A body is decoded in one go; one that does not fit, metric by metric and point by point. Invariant: both ways take the
same points.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from services.gateway.intake.columns.contract import unlimited
from services.gateway.intake.columns.exponential import Side
from services.gateway.intake.columns.json import BROKEN, malformed, mending, misfitting_field
from services.gateway.intake.protocols.otlp.attributes import attributes_of_json
from services.gateway.intake.protocols.otlp.map import (
    EXPONENTIAL,
    GAUGE,
    HISTOGRAM,
    SUM,
    SUMMARY,
    kind_of,
)
from services.gateway.intake.protocols.otlp.memory import Metric, Origin, TenantMemory
from services.gateway.intake.protocols.otlp.metrics import json_fields as fields
from services.gateway.intake.protocols.otlp.metrics.points import NO_RECORDED_VALUE, MetricPoints
from services.gateway.intake.protocols.otlp.metrics.rows import Rows, Times
from services.gateway.intake.protocols.otlp.origins import origin_of_json
from services.gateway.intake.steps import STEP_ITEMS, Steps
from shared.errors import Rejected

_request = msgspec.json.Decoder(fields.MetricsRequest[fields.MetricFields], strict=False)
_raw_request = msgspec.json.Decoder(fields.MetricsRequest[msgspec.Raw], strict=False)
_metric = msgspec.json.Decoder(fields.MetricFields, strict=False)
_raw_metric = msgspec.json.Decoder(fields.RawMetric, strict=False)
_points_alone = msgspec.json.Decoder(fields.PointsAlone, strict=False).decode

MAX_NS = (1 << 64) - 1
DIALECT = "json"


def rows_of(body: bytes, memory: TenantMemory, expect: Callable[[int], None] = unlimited) -> Steps[Rows]:
    """The rows of an export request; raise `Rejected` for a text that is none. `expect` is told of points first."""
    try:
        request = yield from _decoded(body)
    except BROKEN as error:
        raise malformed(error) from error
    rows, seen = Rows(memory.table), 0
    for of_resource in request.resource_metrics or ():
        for of_scope in of_resource.scope_metrics or ():
            metrics = of_scope.metrics or ()
            seen += 1 + len(metrics)
            expect(max(seen, rows.points + sum(map(_size, metrics))))
            try:
                origin = memory.origin(bytes(of_resource.resource), bytes(of_scope.scope), origin_of_json)
            except Rejected as error:
                rows.refuse(error, sum(map(_size, metrics)))
                continue
            for metric in metrics:
                yield from _read(metric, origin, rows)
    return rows


def _decoded(body: bytes) -> Steps[fields.MetricsRequest[Any]]:
    """The request; its metrics are raw where some of them does not fit."""
    try:
        return _request.decode(body)
    except BROKEN:
        yield
    text = yield from mending(body)
    try:
        return _raw_request.decode(text)
    except msgspec.ValidationError as error:
        raise Rejected("invalid_body", "body: must be an ExportMetricsServiceRequest") from error


class _Data(NamedTuple):
    """What a metric holds."""

    name: str
    points: fields.Points[Any]


def _size(metric: fields.MetricFields | msgspec.Raw) -> int:
    """How many points a metric has; one that cannot be looked into counts as one."""
    try:
        found = _points_alone(metric) if isinstance(metric, msgspec.Raw) else metric
    except BROKEN:
        return 1
    data = _data_of(found)
    return len(data.points.data_points or ()) if data else 0


def _data_of(metric: fields.MetricFields | fields.PointsAlone) -> _Data | None:
    for name in _TAKEN:
        points = getattr(metric, name)
        if points is not None:
            return _Data(name, points)
    return None


def _read(metric: fields.MetricFields | msgspec.Raw, origin: Origin, rows: Rows) -> Steps[None]:
    """All points of a metric."""
    try:
        found = _fitted(metric) if isinstance(metric, msgspec.Raw) else metric
        data = _data_of(found)
    except Rejected as error:
        rows.refuse(error, _size(metric))
        return
    if data is None:
        return
    points = data.points.data_points or ()
    try:
        kind = kind_of(
            data.name, data.points.aggregation_temporality, monotonic=bool(data.points.is_monotonic)
        )
    except Rejected as error:
        rows.refuse(error, len(points))
        return
    ours = Metric(found.name or "", kind, found.unit or "", data.name)
    page = origin.page((DIALECT, ours), ours)
    target = MetricPoints(page, rows, DIALECT, attributes_of_json)
    for at in range(0, len(points), STEP_ITEMS):
        rows.each(points[at : at + STEP_ITEMS], partial(_take, target, *_TAKEN[data.name]))
        yield


def _fitted(raw: msgspec.Raw) -> fields.MetricFields | fields.RawMetric:
    """A metric, with its points as text where some of them does not fit."""
    try:
        return _metric.decode(raw)
    except BROKEN:
        pass
    try:
        return _raw_metric.decode(raw)
    except BROKEN as error:
        raise _misfit("metric", error) from error


def _misfit(what: str, error: Exception) -> Rejected:
    """A refusal that names the field that does not fit, and not what was in it."""
    field = misfitting_field(str(error))
    return Rejected(f"invalid_{what}", f"{field or what}: does not fit the schema of OTLP")


Taking = Callable[[MetricPoints, bytes, Times, Any], None]
Decoded = msgspec.json.Decoder[Any]


def _take(target: MetricPoints, decoder: Decoded, take: Taking, point: Any) -> None:
    """One point; raise `Rejected`."""
    if isinstance(point, msgspec.Raw):
        try:
            point = decoder.decode(point)
        except BROKEN as error:
            raise _misfit("point", error) from error
    if (point.flags or 0) & NO_RECORDED_VALUE:
        return
    times = Times(_time(point.time_unix_nano), _time(point.start_time_unix_nano))
    take(target, bytes(point.attributes), times, point)


def _time(given: int | None) -> int:
    if given is not None and not 0 <= given <= MAX_NS:
        raise Rejected("invalid_ts", "timeUnixNano: must be nanoseconds since 1970 of 64 bits")
    return given or 0


def _whole(given: int | None, bits: int = 64) -> int:
    """A whole number, with or without a sign, 0 where none is given; JSON has larger ones. Raise `Rejected`."""
    number = given or 0
    if not -(1 << bits - 1) <= number < 1 << bits:
        raise Rejected("invalid_point", f"point: whole numbers must have {bits} bits")
    return number


def _counts(given: Sequence[int] | None) -> Sequence[int]:
    if not given:
        return ()
    _whole(min(given))
    _whole(max(given))
    return given


def _number(target: MetricPoints, spelling: bytes, times: Times, point: fields.NumberFields) -> None:
    value = point.as_double if point.as_int is None else float(_whole(point.as_int))
    target.number(spelling, times, value)


def _histogram(target: MetricPoints, spelling: bytes, times: Times, point: fields.HistogramFields) -> None:
    bounds, counts = point.explicit_bounds or [], _counts(point.bucket_counts)
    target.histogram(spelling, times, _whole(point.count), point.sum, bounds, counts)


def _exponential(
    target: MetricPoints, spelling: bytes, times: Times, point: fields.ExponentialFields
) -> None:
    sides = [
        Side(_whole(side.offset, 32), _counts(side.bucket_counts)) if side else Side(0, ())
        for side in (point.positive, point.negative)
    ]
    target.exponential(spelling, times, point.scale or 0, _whole(point.zero_count), *sides)


def _summary(target: MetricPoints, spelling: bytes, times: Times, point: fields.SummaryFields) -> None:
    quantiles = [
        (one.quantile or 0.0, one.value) for one in point.quantile_values or () if one.value is not None
    ]
    target.summary(spelling, times, _whole(point.count), point.sum or 0.0, quantiles)


def _decoder(of: type[fields.PointFields]) -> Decoded:
    return msgspec.json.Decoder(of, strict=False)


_TAKEN: dict[str, tuple[Decoded, Taking]] = {
    GAUGE: (_decoder(fields.NumberFields), _number), SUM: (_decoder(fields.NumberFields), _number),
    HISTOGRAM: (_decoder(fields.HistogramFields), _histogram),
    EXPONENTIAL: (_decoder(fields.ExponentialFields), _exponential),
    SUMMARY: (_decoder(fields.SummaryFields), _summary),
}  # fmt: skip
"""What a metric holds -> the decoder of its points, and what takes one."""
