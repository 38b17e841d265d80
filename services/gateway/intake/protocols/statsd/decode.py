"""Bodies and datagrams of StatsD lines, to points. Times are milliseconds UTC.

A refusal bears the number of its line, from 0. Invariant: a line that cannot be read harms no other.
"""

from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.statsd.lines import Sample, samples_of
from services.gateway.intake.protocols.statsd.map import LastGauges, point_columns
from shared.errors import Rejected
from shared.wire.envelope import MAX_ROWS

MAX_VALUES = MAX_ROWS
"""Values of one request."""


class StatsdLines:
    """Decodes `POST /v1/statsd`, and what comes by UDP."""

    def __init__(self, max_values: int = MAX_VALUES) -> None:
        self._max_values = max_values
        self._gauges = LastGauges()

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the lines that can be read."""
        if request.body.count(b"\n") > self._max_values:
            raise Rejected("too_many_points", f"lines: at most {self._max_values} a request")
        request.expect(request.body.count(b"\n"))
        samples: list[Sample] = []
        index: list[int] = []
        refused: list[Rejection] = []
        for number, line in enumerate(request.body.split(b"\n")):
            if not line.strip():
                continue
            try:
                found = samples_of(line.strip())
            except Rejected as refusal:
                refused.append(Rejection(number, refusal.code, refusal.message))
                continue
            samples += found
            index += [number] * len(found)
            if len(samples) > self._max_values:
                raise Rejected("too_many_points", f"lines: at most {self._max_values} values a request")
        columns = point_columns(samples, index, self._gauges, request.tenant_id, request.received_at_ms)
        return RequestColumns(columns, refused=refused)
