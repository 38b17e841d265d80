"""From the columns of a decoder to what the log takes: admitted, counted for the ledger, and named for its repeats.

The same for all protocols. Times are milliseconds UTC. A body is named as it was decoded, so that its repeat under
another compression is known as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from services.gateway.intake.adapters.event_types import EventTypes
from services.gateway.intake.columns.admit_events import admit_events
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Decoder, InSteps, Request, RequestColumns
from services.gateway.intake.columns.json import canonical
from services.gateway.intake.domain.idempotency import identity_of
from services.gateway.intake.domain.ledger import admitted
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.publish.event_batches import EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.scrub.scrubber import Scrubber, scrubber_of
from services.gateway.intake.service import DecodedBatch, DecodedRequest
from services.gateway.intake.steps import Steps, finished
from shared.errors import Rejected
from shared.wire.series import series_id

Batches = DecodedRequest[PointIntakeBatch, EventIntakeBatch]


class Decode:
    """Takes what a decoder finds in requests: points, events or both. `secret` keys the hashes of users' ids."""

    def __init__(
        self,
        decoder: Decoder,
        admission: PointAdmission,
        secret: Callable[[], bytes] = bytes,
        event_types: EventTypes | None = None,
    ) -> None:
        self._decoder = decoder
        self._in_steps = decoder if isinstance(decoder, InSteps) else None
        self._admission = admission
        self._secret = secret
        self._types = event_types or EventTypes(SeriesLimiter(), series_id)

    def __call__(self, request: Request, header_key: bytes) -> Batches:
        """What is in a request, under its `Idempotency-Key` (empty: none); raise `Rejected` for one that is nothing."""
        return finished(self.steps(request, header_key))

    def steps(self, request: Request, header_key: bytes) -> Steps[Batches]:
        """The same in steps."""
        if self._in_steps is not None:
            decoded = yield from self._in_steps.steps(request)
        else:
            decoded = self._decoder.decode(request)
        _scrub(decoded, scrubber_of(request.scrub, self._secret() if "user" in request.scrub else b""))
        key = _one_key(header_key, decoded.batch_key)
        if decoded.events is None:
            return DecodedRequest((yield from _points(request, decoded, key, self._admission)))
        if decoded.points is None:
            return DecodedRequest(events=_events(request, decoded, key, self._types))
        # What has become no row is counted once, with the points.
        events = RequestColumns(events=decoded.events, content=decoded.content)
        points = yield from _points(request, decoded, key, self._admission)
        return DecodedRequest(points, _events(request, events, key, self._types))

    def in_parts(self, request: Request, parts: Sequence[bytes], header_key: bytes) -> Steps[Batches]:
        """What is in a body of points in parts, each known by a name of its own; refusals bear their line."""
        decoded = yield from self.steps(request._replace(body=parts[0]), header_key)
        lines, more = 0, []
        for before, part in pairwise(parts):
            lines += before.count(b"\n")
            points = (yield from self.steps(request._replace(body=part), header_key)).points
            if points is not None:
                rejected = [replace(each, index=each.index + lines) for each in points.rejected]
                more.append(DecodedBatch(points.batch, rejected))
        decoded.more = more
        return decoded


def _scrub(decoded: RequestColumns, scrubber: Scrubber) -> None:
    """Take out of the columns what the tenant will not have in the log; of points, labels of series that are new.

    Where nothing is to be taken out, a look at the events tells all the same whether they are flat.
    """
    if (points := decoded.points) is not None and scrubber.switches:
        labels_of = points.labels_of
        points.labels_of = lambda row: {
            name: scrubber.label(value, name) for name, value in labels_of(row).items()
        }
    if (events := decoded.events) is not None:
        events.properties, events.name, events.flat = scrubber.events(events.properties, events.name)
        events.user_id = scrubber.users(events.user_id)


def _points(
    request: Request, decoded: RequestColumns, key: bytes, admission: PointAdmission
) -> Steps[DecodedBatch[PointIntakeBatch]]:
    found = yield from admission.steps(decoded, request.tenant_id, request.received_at_ms)
    batch = PointIntakeBatch(
        found.catalogue,
        found.points,
        request.received_at_ms,
        admitted(request.tenant_id, len(found.points), found.rejected),
        found.surplus,
        found.overflowed,
        identity_of("points", request.tenant_id, key, _content(request, decoded, key), timed=found.timed),
    )
    return DecodedBatch(batch, found.rejected)


def _events(
    request: Request, decoded: RequestColumns, key: bytes, types: EventTypes
) -> DecodedBatch[EventIntakeBatch]:
    """Each event bears an id, so that a key only tells two bodies apart."""
    found = admit_events(decoded, request.tenant_id, request.received_at_ms)
    said = decoded.events.type if decoded.events is not None else ()
    events, overflowed = types.within_limit(found.events, said, request.tenant_id, request.received_at_ms)
    counted = admitted(request.tenant_id, len(found.events), found.rejected)
    identity = identity_of("events", request.tenant_id, key, _content(request, decoded, key), timed=False)
    return DecodedBatch(
        EventIntakeBatch(events, request.received_at_ms, counted, identity, overflowed), found.rejected
    )


def _content(request: Request, decoded: RequestColumns, key: bytes) -> bytes:
    """What tells bodies apart: without the moment of sending, where the protocol or a key says that it may differ."""
    if decoded.content:
        return decoded.content
    return canonical(request.body) if key else request.body


def _one_key(header_key: bytes, body_key: bytes) -> bytes:
    """The key from the header or the body; raise `Rejected` for two that differ."""
    if not body_key:
        return header_key
    if header_key not in (b"", body_key):
        raise Rejected("two_batch_ids", "batch_id: differs from the Idempotency-Key")
    return body_key
