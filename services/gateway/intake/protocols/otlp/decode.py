"""The bodies of OTLP over HTTP: protobuf, and JSON as the SDKs and the Collector write it.

A refusal of one point names it by its place among the data points of the request.
"""

from collections.abc import Sequence

from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.protocols.otlp.memory import Memory
from services.gateway.intake.protocols.otlp.metrics import json, protobuf
from services.gateway.intake.steps import Steps, finished

JSON = b"application/json"
"""The content type of JSON."""

PROTOBUF = b"application/x-protobuf"
"""The content type of protobuf."""


class OtlpMetrics:
    """Decodes `POST /v1/metrics`."""

    def __init__(self, promoted: Sequence[str]) -> None:
        self._memory = Memory(promoted)

    def decode(self, request: Request) -> RequestColumns:
        """The columns of all points; raise `Rejected` for a body that is no export request."""
        return finished(self.steps(request))

    def steps(self, request: Request) -> Steps[RequestColumns]:
        """The same in steps."""
        rows_of = json.rows_of if request.media == JSON else protobuf.rows_of
        rows = yield from rows_of(request.body, self._memory.of(request.tenant_id), request.expect)
        return rows.columns(request.received_at_ms)
