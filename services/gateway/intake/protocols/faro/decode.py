"""The body of `/collect/{key}`: what Grafana Faro's SDK sends.

The index of a refusal counts measurements, then events, exceptions, logs, and at last the traces, which are not taken.
Invariant: each item is taken, or refused by itself.
"""

from collections.abc import Iterator

import msgspec

from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.json import BROKEN, malformed, mended, readable_of
from services.gateway.intake.columns.rows import ContentIds, Mapped, Row, columns_of, mapped
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.faro import map as faro
from shared.errors import Rejected

Raws = list[msgspec.Raw]

NO_TRACES = "traces: are not taken here; the times of their requests come as events"


NOTHING = (b"null", b"{}", b'{"resourceSpans":[]}')
"""Traces that hold none."""


class Payload(msgspec.Struct, gc=False):
    """The lists of a body; null is an empty one."""

    meta: msgspec.Raw = msgspec.Raw(b"{}")
    measurements: Raws | None = None
    events: Raws | None = None
    exceptions: Raws | None = None
    logs: Raws | None = None
    traces: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def size(self) -> int:
        """How many items there are."""
        return sum(len(getattr(self, kind) or ()) for kind in faro.KINDS)

    def items(self) -> Iterator[faro.Sent]:
        """All items in their order, each with what it is."""
        for kind in faro.KINDS:
            for raw in getattr(self, kind) or ():
                yield faro.Sent(kind, raw)


_payload = msgspec.json.Decoder(Payload)


class Faro:
    """Decodes payloads of Faro, to points and events."""

    def __init__(self, max_points: int, max_events: int) -> None:
        self._limit = min(max_points, max_events)

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the items that are understood; raise `Rejected` for a body that is none of Faro's."""
        payload = _read(request.body)
        traced = bytes(payload.traces) not in NOTHING
        check_size("events", payload.size + traced, self._limit)
        items = list(payload.items())
        meta = readable_of(payload.meta) if bytes(payload.meta) != b"null" else {}
        context = faro.context_of(meta)
        ids = ContentIds(request.tenant_id, bytes(payload.meta))

        found: Mapped[Row] = mapped(items, lambda sent: faro.rows_of(sent, context, ids))
        if traced:
            found.refused.append(Rejection(len(items), "traces_not_taken", NO_TRACES))
        return columns_of(found, request.received_at_ms)


def _read(body: bytes) -> Payload:
    try:
        return _payload.decode(mended(body))
    except msgspec.ValidationError as error:
        raise Rejected(
            "invalid_body", "body: must be an object of lists, such as measurements and events"
        ) from error
    except BROKEN as error:
        raise malformed(error) from error
