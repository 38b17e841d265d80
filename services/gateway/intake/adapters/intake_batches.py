"""What a request brought, made into what the log takes: decoded, counted for the ledger, and named for its repeats.

Times are milliseconds UTC. The law: a body is named as it was decoded, so that its repeat under another compression is
known as well.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from services.gateway.intake.adapters.http import Decode, Decoded, Posted
from services.gateway.intake.domain.idempotency import identity_of
from services.gateway.intake.domain.ledger import admitted
from services.gateway.intake.protocols.native import events
from services.gateway.intake.protocols.native import points as native
from services.gateway.intake.publish.event_batches import EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from shared.errors import Rejected
from shared.model.batch_id import checked_key

DecodePoints: TypeAlias = Callable[[bytes, int, int], native.Decoded]
"""Body, tenant and receive time to points."""

DecodeEvents: TypeAlias = Callable[[bytes, int, int], events.Decoded]
"""The same, to events."""

FIELD = "batch_id"
"""The field of a body of points that may stand in for the header."""


class _Named(msgspec.Struct):
    batch_id: str | None = None


_named = msgspec.json.Decoder(_Named)


def of_points(decode: DecodePoints, *, named: bool = False) -> Decode[PointIntakeBatch]:
    """Takes points; `named`: the body itself may say its key."""

    def decoded(posted: Posted) -> Decoded[PointIntakeBatch]:
        found = decode(posted.content, posted.tenant_id, posted.received_at_ms)
        key = _key(posted) if named else posted.key
        identity = identity_of("points", posted.tenant_id, key, posted.content, timed=found.timed)
        counted = admitted(posted.tenant_id, len(found.points), found.rejected)
        batch = PointIntakeBatch(
            found.catalogue,
            found.points,
            posted.received_at_ms,
            counted,
            found.surplus,
            found.overflowed,
            identity,
        )
        return Decoded(batch, found.rejected)

    return decoded


def of_events(decode: DecodeEvents) -> Decode[EventIntakeBatch]:
    """Takes events; each bears an id, so that a key only tells two bodies apart."""

    def decoded(posted: Posted) -> Decoded[EventIntakeBatch]:
        found = decode(posted.content, posted.tenant_id, posted.received_at_ms)
        identity = identity_of("events", posted.tenant_id, posted.key, posted.content, timed=False)
        counted = admitted(posted.tenant_id, len(found.events), found.rejected)
        return Decoded(
            EventIntakeBatch(found.events, posted.received_at_ms, counted, identity), found.rejected
        )

    return decoded


def _key(posted: Posted) -> bytes:
    """The key from the header or the body; raise `Rejected` for two that differ."""
    if b'"batch_id"' not in posted.content:
        return posted.key
    try:
        said = _named.decode(posted.content).batch_id
    except msgspec.ValidationError as error:
        raise Rejected("invalid_batch_id", f"{FIELD}: must be a string") from error
    if said is None:
        return posted.key
    key = checked_key(FIELD, "invalid_batch_id", said.encode())
    if posted.key not in (b"", key):
        raise Rejected("two_batch_ids", f"{FIELD}: differs from the Idempotency-Key")
    return key
