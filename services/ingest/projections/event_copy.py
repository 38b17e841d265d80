"""Rows of `event` as streams for `COPY event FROM STDIN (FORMAT binary)`.

Source: PostgreSQL manual, the receive formats of its types; asyncpg's own encoder wants a
tuple, two datetimes and a text of the body for each row. Field order is that of `COLUMNS`.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from struct import Struct

from shared.postgres import copying
from shared.wire.events import Event

COLUMNS = (
    "ts", "received_at", "tenant_id", "event_id", "type", "name", "session_id", "user_id", "properties",
)  # fmt: skip
"""Columns of a row, in their order."""

PART_BYTES = 4 << 20
"""Size at which a stream ends and another begins: each is a statement with its own time limit."""

_JSONB_VERSION = b"\x01"

_head = Struct(">hiqiqiq").pack
_length = Struct(">i").pack
_NULL = _length(copying.NULL)


def streams(arrivals: Iterable[tuple[int, Iterable[Event]]]) -> Iterator[bytes]:
    """Streams for events that come with their append times, which are stored as `received_at`."""
    rows, size = [copying.HEADER], 0
    for appended_at_ms, events in arrivals:
        for event in events:
            rows.append(row := _row(event, appended_at_ms))
            size += len(row)
        if size >= PART_BYTES:
            yield b"".join((*rows, copying.END))
            rows, size = [copying.HEADER], 0
    if size:
        yield b"".join((*rows, copying.END))


def _row(event: Event, appended_at_ms: int) -> bytes:
    ts, received_at = (event.ts_ms - copying.EPOCH_MS) * 1000, (appended_at_ms - copying.EPOCH_MS) * 1000
    body = event.properties
    return b"".join(
        (
            _head(len(COLUMNS), 8, ts, 8, received_at, 8, event.tenant_id),
            _text(event.event_id),
            _known(event.type),
            _known(event.name),
            _NULL if event.session_id is None else _known(event.session_id),
            _NULL if event.user_id is None else _known(event.user_id),
            _length(len(body) + 1),
            _JSONB_VERSION,
            body,
        )
    )


def _text(text: str) -> bytes:
    packed = text.encode()
    return _length(len(packed)) + packed


_known = lru_cache(maxsize=1 << 14)(_text)
"""Types and names are few, and sessions come again."""
