"""Transactions, spans and metrics of Sentry's SDKs as points: response times, web vitals, and what a client measures.

Milliseconds UTC, seconds. Source: develop.sentry.dev, transaction payloads, span protocol, metrics; the attributes of
OpenTelemetry's semantic conventions.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from services.gateway.intake.columns.rows import MetricPoint, Row
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.sentry.record import Record, part, parts, plain, text
from shared.errors import Rejected

RESPONSES = frozenset({"http.client", "http.server"})
"""Operations that are the answer to a request."""

_VITALS = ("lcp", "inp", "cls", "fcp", "ttfb")
_IN_MS = {"second": 1000.0, "millisecond": 1.0, "microsecond": 0.001, "nanosecond": 0.000_001}
_KINDS = {"counter": "delta", "gauge": "gauge", "distribution": "delta"}
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"}
)
_ROUTE = ("http.route", "url.template", "url.full", "http.url", "url", "url.path", "http.target")
_METHOD = ("http.request.method", "http.request_method", "http.method", "method")
_STATUS = ("http.response.status_code", "http.status_code", "http.response_status_code", "status_code")
_PAGE = ("url.full", "url.path", "sentry.transaction", "sentry.segment.name")
_UNITS = {
    "millisecond": "ms",
    "second": "s",
    "microsecond": "us",
    "nanosecond": "ns",
    "byte": "By",
    "percent": "%",
}
_OF_THE_SDK = ("sentry.", "user.", "process.", "browser.", "os.", "device.", "server.")
"""How the attributes begin that an SDK adds by itself; the release and the environment are kept."""

MAX_LABELS = 20
"""Attributes of a metric that become labels, in their order."""


class _Measured(NamedTuple):
    """A web vital."""

    name: str
    value: object
    factor: float
    """Makes milliseconds of it."""
    page: object
    navigation_type: object = ""


def transaction_rows(record: Record) -> Iterable[Row | Rejected]:
    """The response time of a request that was served, those of requests that were made, and the vitals of a page."""
    transaction = record.fields
    trace = part(transaction, "contexts", "trace")
    yield from _response(
        record, {"name": transaction.get("transaction"), **trace, **_times(transaction)}, _served(transaction)
    )
    for span in parts(transaction, "spans"):
        yield from _response(record, span, plain(part(span, "data")))
    page = vocabulary.label_text(part(transaction, "request").get("url")) or transaction.get("transaction")
    for name, measured in part(transaction, "measurements").items():
        if name in _VITALS and isinstance(measured, Mapping):
            factor = 1.0 if name == "cls" else _IN_MS.get(text(measured.get("unit")), 1.0)
            yield from _vital(record, _Measured(name, measured.get("value"), factor, page))


def span_rows(record: Record) -> Iterable[Row | Rejected]:
    """The response time or the vitals of a span."""
    said = plain(part(record.fields, "attributes"))
    span = {**record.fields, "op": said.get("sentry.op") or record.fields.get("op")}
    yield from _response(record, span, said)
    page = _page(record, said)
    for name in _VITALS:
        attribute = f"browser.web_vital.{name}.value"
        if attribute in said:
            yield from _vital(
                record, _Measured(name, said[attribute], 1.0, page, said.get("browser.navigation.type"))
            )


def metric_rows(record: Record) -> Iterable[Row | Rejected]:
    """What an application counts or measures by itself."""
    metric = record.fields
    kind = _KINDS.get(text(metric.get("type")))
    if kind is None:
        raise Rejected("invalid_kind", "type: must be counter, gauge or distribution")
    said = plain(part(metric, "attributes"))
    yield MetricPoint(
        text(metric.get("name"), 256),
        vocabulary.number(metric.get("value")),
        _UNITS.get(unit := text(metric.get("unit")), unit),
        _metric_labels(said),
        kind,
        record.ts("timestamp"),
    )


def _response(record: Record, span: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[Row | Rejected]:
    """The point of a span that is the answer to a request."""
    if text(span.get("op")) not in RESPONSES:
        return
    try:
        end = span.get("end_timestamp", span.get("timestamp"))
        method, _, route = text(span.get("description") or span.get("name"), 1024).rpartition(" ")
        yield vocabulary.api_response(
            record.sender.clock.elapsed_s(span.get("start_timestamp"), end),
            endpoint=_first(said, _ROUTE) or route,
            method=_first(said, _METHOD) or (method if method in _METHODS else ""),
            status=_first(said, _STATUS),
            ts=record.sender.clock.read(end),
        )
    except Rejected as problem:
        yield problem


def _vital(record: Record, measured: _Measured) -> Iterator[Row | Rejected]:
    """The point of a vital."""
    try:
        yield from vocabulary.vital(
            measured.name.upper(),
            vocabulary.number(measured.value) * measured.factor,
            page=measured.page,
            navigation_type="prerender" if record.sender.prerender else measured.navigation_type,
            ts=record.ts("end_timestamp", "timestamp"),
        )
    except Rejected as problem:
        yield problem


def _page(record: Record, said: Mapping[str, Any]) -> str:
    """The address or the route that a vital belongs to; without a router the SDK says no more than "Pageload"."""
    named = (text(said.get(name), 1024) for name in _PAGE)
    return next((name for name in named if "/" in name), record.sender.page)


def _served(transaction: Mapping[str, Any]) -> dict[str, Any]:
    """What a transaction says of the request that it served; its name is the route."""
    said = dict(plain(part(transaction, "contexts", "trace", "data")))
    request, response = part(transaction, "request"), part(transaction, "contexts", "response")
    said["http.route"] = (
        said.get("http.route") or text(transaction.get("transaction"), 1024).rpartition(" ")[2]
    )
    if _first(said, _METHOD) == "":
        said["method"] = request.get("method")
    if _first(said, _STATUS) == "":
        said["status_code"] = response.get("status_code") or part(transaction, "tags").get("http.status_code")
    return said


def _times(transaction: Mapping[str, Any]) -> dict[str, Any]:
    return {name: transaction.get(name) for name in ("start_timestamp", "timestamp")}


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these attributes that says something."""
    return next((said[name] for name in names if said.get(name) not in (None, "")), "")


def _metric_labels(said: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that an application gave a metric, beside its release and environment."""
    own = {name: value for name, value in said.items() if not name.startswith(_OF_THE_SDK)}
    own |= {name: said.get(f"sentry.{name}") for name in ("release", "environment")}
    return dict(list(vocabulary.labels(**own).items())[-MAX_LABELS:])
