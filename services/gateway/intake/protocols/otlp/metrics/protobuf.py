"""Metrics in protobuf to rows.

A parsed request holds its points as bytes. Those of gauges and sums are cut in one go where they are laid out alike,
all others are parsed one by one. Invariant: both ways make the same rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial

from services.gateway.intake.columns.contract import unlimited
from services.gateway.intake.columns.exponential import Side
from services.gateway.intake.protocols.otlp.attributes import attributes_of
from services.gateway.intake.protocols.otlp.map import (
    EXPONENTIAL,
    GAUGE,
    HISTOGRAM,
    SUM,
    SUMMARY,
    Attributes,
    kind_of,
)
from services.gateway.intake.protocols.otlp.memory import Metric, Origin, Page, TenantMemory
from services.gateway.intake.protocols.otlp.metrics.cuts import Cuts
from services.gateway.intake.protocols.otlp.metrics.points import NO_RECORDED_VALUE, MetricPoints
from services.gateway.intake.protocols.otlp.metrics.rows import Rows, Times
from services.gateway.intake.protocols.otlp.origins import origin_of
from services.gateway.intake.protocols.otlp.schema import BROKEN, MESSAGES, Message
from services.gateway.intake.steps import STEP_ITEMS, Steps
from shared.errors import Rejected

FIELD = 0x3A
"""First byte of an attribute in the bytes that attributes are remembered by: field 7, as points of numbers have it."""

DIALECT = "protobuf"

NUMBERS = frozenset({GAUGE, SUM})
"""Metrics whose points are numbers."""

EXPECTED = 4096
"""Beyond so many the parts of a request are counted before they are looked at, its points in steps of so many."""

_Spelling = MESSAGES["Spelling"]


_Part = tuple[Page | Rejected, str, Sequence[bytes]]
"""Some points of a metric that follow each other: its page, or why it cannot be read; what it holds; the points."""


def rows_of(body: bytes, memory: TenantMemory, expect: Callable[[int], None] = unlimited) -> Steps[Rows]:
    """The rows of an export request; raise `Rejected` for bytes that are none. `expect` is told of points first."""
    try:
        request = MESSAGES["MetricsRequest"].FromString(body)
    except BROKEN as error:
        raise Rejected("malformed_protobuf", "body: must be an ExportMetricsServiceRequest") from error
    rows: Rows | None = None
    for parts in _steps_of((yield from _parts_of(request, memory, expect))):
        if rows is not None:
            yield
        rows = _added(rows, parts, memory)
    return rows or Rows(memory.table)


def _steps_of(parts: Sequence[_Part]) -> Iterator[Sequence[_Part]]:
    """The parts of each step."""
    first, points = 0, 0
    for end, (_, _, of_part) in enumerate(parts, 1):
        points += len(of_part)
        if points >= STEP_ITEMS:
            yield parts[first:end]
            first, points = end, 0
    if first < len(parts):
        yield parts[first:]


def _added(rows: Rows | None, parts: Sequence[_Part], memory: TenantMemory) -> Rows:
    """These rows and those of the next parts."""
    buckets = rows.buckets if rows is not None else 0
    cuts = Cuts(Rows(memory.table, buckets=buckets), read_spelling)
    _read_all(parts, cuts)
    if misfits := cuts.fill():
        cuts = Cuts(Rows(memory.table, buckets=buckets), read_spelling, cuts.taken() - misfits)
        _read_all(parts, cuts)
        cuts.fill()
    if rows is None:
        return cuts.rows
    rows.extend(cuts.rows)
    return rows


def _parts_of(request: Message, memory: TenantMemory, expect: Callable[[int], None]) -> Steps[list[_Part]]:
    """All metrics that hold something, those of many points in parts of so many as a step takes."""
    parts: list[_Part] = []
    points = told = 0
    expect(seen := len(request.resource_metrics))
    for of_resource in request.resource_metrics:
        resource = b"".join(of_resource.resource)
        for of_scope in of_resource.scope_metrics:
            seen += 1 + len(of_scope.metrics)
            if seen > EXPECTED:
                expect(seen)
                yield
            origin = _origin(resource, b"".join(of_scope.scope), memory)
            known = origin.pages if isinstance(origin, Origin) else {}
            for metric in of_scope.metrics[:]:
                data = metric.WhichOneof("data")
                if data is None:
                    continue
                found = getattr(metric, data)
                said = metric.name, metric.unit, data, found.temporality, found.monotonic
                of_metric = found.data_points
                points += len(of_metric)
                if points - told > EXPECTED:
                    expect(told := points)
                    yield
                page = known.get(said) or _page(origin, said)
                if len(of_metric) <= STEP_ITEMS:
                    parts.append((page, data, of_metric[:]))
                else:
                    parts += [
                        (page, data, of_metric[at : at + STEP_ITEMS])
                        for at in range(0, len(of_metric), STEP_ITEMS)
                    ]
    expect(points)
    return parts


def _origin(resource: bytes, scope: bytes, memory: TenantMemory) -> Origin | Rejected:
    try:
        return memory.origin(resource, scope, origin_of)
    except Rejected as error:
        return error


def _page(origin: Origin | Rejected, said: tuple[bytes, bytes, str, int, bool]) -> Page | Rejected:
    if isinstance(origin, Rejected):
        return origin
    try:
        return origin.page(said, _metric(*said))
    except Rejected as error:
        return error


def _read_all(parts: Iterable[_Part], cuts: Cuts) -> None:
    for page, data, points in parts:
        if isinstance(page, Rejected):
            cuts.rows.refuse(page, len(points))
        elif data not in NUMBERS or not cuts.take(page, points):
            target = MetricPoints(page, cuts.rows, DIALECT, read_spelling)
            message, take = _TAKEN[data]
            cuts.rows.each(points, partial(_take, target, MESSAGES[message], take))


def _metric(name: bytes, unit: bytes, data: str, temporality: int, monotonic: bool) -> Metric:  # noqa: FBT001 - as it came
    """The metric of which a message says so; raise `Rejected`."""
    try:
        return Metric(name.decode(), kind_of(data, temporality, monotonic=monotonic), unit.decode(), data)
    except UnicodeDecodeError as error:
        raise Rejected("invalid_name", "name: it, or the unit, must be valid UTF-8") from error


Taking = Callable[[MetricPoints, bytes, Times, Message], None]


def _take(target: MetricPoints, message: type[Message], take: Taking, field: bytes) -> None:
    """One point; raise `Rejected`."""
    try:
        point = message.FromString(field)
    except BROKEN as error:
        raise Rejected("invalid_point", "point: must be a data point of its metric") from error
    if point.flags & NO_RECORDED_VALUE:
        return
    take(target, spelling_of(point.attributes), Times(point.time, point.start), point)


def _number(target: MetricPoints, spelling: bytes, times: Times, point: Message) -> None:
    name = point.WhichOneof("value")
    target.number(spelling, times, None if name is None else float(getattr(point, name)))


def _histogram(target: MetricPoints, spelling: bytes, times: Times, point: Message) -> None:
    total = None if point.WhichOneof("total") is None else point.sum
    target.histogram(spelling, times, point.count, total, point.explicit_bounds[:], point.bucket_counts[:])


def _exponential(target: MetricPoints, spelling: bytes, times: Times, point: Message) -> None:
    sides = [Side(side.offset, side.bucket_counts[:]) for side in (point.positive, point.negative)]
    target.exponential(spelling, times, point.scale, point.zero_count, *sides)


def _summary(target: MetricPoints, spelling: bytes, times: Times, point: Message) -> None:
    quantiles = [(one.quantile, one.value) for one in point.quantile_values]
    target.summary(spelling, times, point.count, point.sum, quantiles)


_TAKEN: dict[str, tuple[str, Taking]] = {
    GAUGE: ("NumberPoint", _number), SUM: ("NumberPoint", _number), HISTOGRAM: ("HistogramPoint", _histogram),
    EXPONENTIAL: ("ExponentialPoint", _exponential), SUMMARY: ("SummaryPoint", _summary),
}  # fmt: skip
"""What a metric holds -> the message of its points, and what takes one."""


def spelling_of(fields: Sequence[bytes]) -> bytes:
    """The bytes that these attributes are remembered by: as they stand in a point of numbers, one after the other."""
    return b"".join([_head(len(field)) + field for field in fields])


def read_spelling(spelling: bytes) -> Attributes:
    """The attributes of these bytes; raise `Rejected`."""
    return attributes_of(_Spelling.FromString(spelling).attributes)


@lru_cache(maxsize=1024)
def _head(size: int) -> bytes:
    """The tag of a field and its length, as a varint."""
    head = bytearray([FIELD])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head)
