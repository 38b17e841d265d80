"""Decodes `POST /v1/logs` and `POST /v1/traces`. A refusal names a record by its place among those of the request.

Invariant: a record that comes again with the same bytes, from the same resource and scope, has the same event ids.
"""

from collections.abc import Callable

from xxhash import xxh3_128_digest

from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.columns.rows import (
    ContentIds,
    Mapped,
    MappedEvent,
    MetricPoint,
    event_columns,
    mapping,
    point_columns,
)
from services.gateway.intake.protocols.otlp.decode import JSON
from services.gateway.intake.protocols.otlp.events import logs, traces
from services.gateway.intake.protocols.otlp.events.context import Origin
from services.gateway.intake.protocols.otlp.events.items import LOGS, SPANS, Item, items_of, taken_of
from services.gateway.intake.steps import Steps, finished

MAX_RECORDS = 20_000
"""Records of a request; SDKs send 512, the Collector 8,192 unless it is told otherwise."""

Row = MappedEvent | MetricPoint


class OtlpLogs:
    """Decodes log records: points of vitals, and events."""

    def decode(self, request: Request) -> RequestColumns:
        """The columns of all records; raise `Rejected` for a body that is no export request."""
        return finished(self.steps(request))

    def steps(self, request: Request) -> Steps[RequestColumns]:
        """The same in steps."""
        json = request.media == JSON
        read, ids = logs.read_json if json else logs.read_protobuf, ContentIds(request.tenant_id)

        def rows_of(record: bytes, origin: Origin) -> list[Row]:
            return logs.rows_of_log(read(record), origin, lambda: ids.of(content_of(record, origin)))

        items = yield from items_of(request, LOGS, json=json)
        return (yield from _columns(items, rows_of, request))


class OtlpTraces:
    """Decodes spans: points of response times, and events of exceptions."""

    def decode(self, request: Request) -> RequestColumns:
        """The columns of all spans; raise `Rejected` for a body that is no export request."""
        return finished(self.steps(request))

    def steps(self, request: Request) -> Steps[RequestColumns]:
        """The same in steps."""
        json = request.media == JSON
        read, ids = traces.read_json if json else traces.read_protobuf, ContentIds(request.tenant_id)

        def rows_of(record: bytes, origin: Origin) -> list[Row]:
            return traces.rows_of_span(
                read(record), origin, lambda place: ids.of(place + content_of(record, origin))
            )

        items = yield from items_of(request, SPANS, json=json)
        return (yield from _columns(items, rows_of, request))


def content_of(record: bytes, origin: Origin) -> bytes:
    """What tells a record from all others."""
    return xxh3_128_digest(origin.content) + record


def _columns(
    items: list[Item], rows_of: Callable[[bytes, Origin], list[Row]], request: Request
) -> Steps[RequestColumns]:
    steps: Steps[Mapped[Row]] = mapping(range(len(items)), taken_of(items, MAX_RECORDS, rows_of))
    found = yield from steps
    rows = list(zip(found.rows, found.indices, strict=True))
    points = [(row, at) for row, at in rows if isinstance(row, MetricPoint)]
    events = [(row, at) for row, at in rows if isinstance(row, MappedEvent)]
    received_at_ms = request.received_at_ms
    return RequestColumns(
        point_columns([row for row, _ in points], [at for _, at in points], received_at_ms)
        if points
        else None,
        event_columns([row for row, _ in events], [at for _, at in events], received_at_ms)
        if events
        else None,
        found.refused,
    )
