"""From the columns of a decoder to what the log takes: admitted, counted for the ledger, and named for its repeats.

The same for all protocols. Times are milliseconds UTC. A body is named as it was decoded, so that its repeat under
another compression is known as well.
"""

from services.gateway.intake.adapters.http import BatchDecoder, DecodedBatch
from services.gateway.intake.columns.admit_events import admit_events
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Decoder, Request
from services.gateway.intake.domain.idempotency import identity_of
from services.gateway.intake.domain.ledger import admitted
from services.gateway.intake.publish.event_batches import EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from shared.errors import Rejected


def of_points(decoder: Decoder, admission: PointAdmission) -> BatchDecoder[PointIntakeBatch]:
    """Takes the points of a request."""

    def decode(request: Request, header_key: bytes) -> DecodedBatch[PointIntakeBatch]:
        body, _, _, tenant_id, received_at_ms = request
        decoded = decoder.decode(request)
        key = _one_key(header_key, decoded.batch_key)
        found = admission.admit(decoded, tenant_id, received_at_ms)
        batch = PointIntakeBatch(
            found.catalogue,
            found.points,
            received_at_ms,
            admitted(tenant_id, len(found.points), found.rejected),
            found.surplus,
            found.overflowed,
            identity_of("points", tenant_id, key, body, timed=found.timed),
        )
        return DecodedBatch(batch, found.rejected)

    return decode


def of_events(decoder: Decoder) -> BatchDecoder[EventIntakeBatch]:
    """Takes the events of a request; each bears an id, so that a key only tells two bodies apart."""

    def decode(request: Request, header_key: bytes) -> DecodedBatch[EventIntakeBatch]:
        body, _, _, tenant_id, received_at_ms = request
        decoded = decoder.decode(request)
        key = _one_key(header_key, decoded.batch_key)
        found = admit_events(decoded, tenant_id, received_at_ms)
        counted = admitted(tenant_id, len(found.events), found.rejected)
        identity = identity_of("events", tenant_id, key, body, timed=False)
        return DecodedBatch(EventIntakeBatch(found.events, received_at_ms, counted, identity), found.rejected)

    return decode


def _one_key(header_key: bytes, body_key: bytes) -> bytes:
    """The key from the header or the body; raise `Rejected` for two that differ."""
    if not body_key:
        return header_key
    if header_key not in (b"", body_key):
        raise Rejected("two_batch_ids", "batch_id: differs from the Idempotency-Key")
    return body_key
