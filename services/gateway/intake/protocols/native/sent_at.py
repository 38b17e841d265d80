"""The field `sent_at` of our own bodies: by how much the client's clock is wrong, and its times put right.

Milliseconds UTC or RFC 3339; the field stands before or behind the list. What bears no time has the receive time, and
keeps it.
"""

from datetime import datetime

import msgspec
import numpy as np

from services.gateway.intake.columns.client_clock import clock_error_ms
from services.gateway.intake.columns.contract import EventColumns, PointColumns
from services.gateway.intake.columns.json import BROKEN, SENT_AT, Instant, may_say, time_of, whole_ms


class SentAt(msgspec.Struct):
    """When a client says that it sent the body."""

    sent_at: int | float | Instant | None = None


_decode = msgspec.json.Decoder(SentAt).decode


def error_ms(body: bytes, received_at_ms: int) -> int:
    """What is to be added to the times of a body; 0 where it does not say when it was sent."""
    if not may_say(body, SENT_AT):
        return 0
    try:
        said = _decode(body).sent_at
    except BROKEN:
        return 0
    sent_at: int | datetime | None = whole_ms(said) if isinstance(said, float) else said
    return 0 if sent_at is None else clock_error_ms(time_of(sent_at, received_at_ms), received_at_ms)


def put_right(columns: PointColumns | EventColumns, error: int, received_at_ms: int) -> None:
    """Add the error to the times of these columns."""
    if isinstance(columns, EventColumns):
        columns.ts_ms = [ts if ts == received_at_ms else ts + error for ts in columns.ts_ms]
        return
    columns.ts_ms = np.where(columns.ts_ms == received_at_ms, columns.ts_ms, columns.ts_ms + error)
    if columns.start_ms is not None:
        # As before, a start is neither before 1970 nor after its point, which may have kept the receive time.
        moved = np.clip(columns.start_ms + error, 1, columns.ts_ms)
        columns.start_ms = np.where(columns.start_ms == 0, 0, moved)
