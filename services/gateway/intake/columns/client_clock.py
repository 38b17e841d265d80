"""How wrong a client's clock is, from when it says that it sent a request, and what its times are by the gateway's.

Milliseconds UTC; SDKs also write seconds, or RFC 3339. A request may wait on its way, so that small differences say
nothing of the clock.
"""

from datetime import UTC, datetime, timedelta

from shared.errors import Rejected

TOLERANCE_MS = 30_000
"""Differences up to this are the way of the request."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FAR_MS = float(1 << 62)
"""Further away than any time that is taken."""


def clock_error_ms(sent_at_ms: int | None, received_at_ms: int) -> int:
    """What is to be added to the times of a client; 0 where its clock is right, or it does not say when it sent."""
    if sent_at_ms is None or abs(received_at_ms - sent_at_ms) <= TOLERANCE_MS:
        return 0
    return received_at_ms - sent_at_ms


class ClientClock:
    """Reads the times of one request."""

    __slots__ = ("_error_ms", "_unit_ms")

    def __init__(self, sent_at: object, received_at_ms: int, unit_ms: int) -> None:
        """`sent_at`: when the client says it sent the request, None where it does not; numbers are in `unit_ms`."""
        self._unit_ms = unit_ms
        try:
            sent_at_ms = None if sent_at is None else round(self._read(sent_at))
        except Rejected:
            sent_at_ms = None
        self._error_ms = clock_error_ms(sent_at_ms, received_at_ms)

    def read(self, said: object) -> int | None:
        """A time of the request; None where it says none; raise `Rejected` for what is no time."""
        return None if said is None else round(self._read(said)) + self._error_ms

    def elapsed_s(self, begun: object, ended: object) -> float:
        """Seconds between two times of the request, to the microsecond; raise `Rejected` for what is no time."""
        return round((self._read(ended) - self._read(begun)) / 1000, 6)

    def _read(self, said: object) -> float:
        """A time as the client says it."""
        if isinstance(said, str):
            try:
                instant = datetime.fromisoformat(said)
            except ValueError as error:
                raise _no_time() from error
            return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - _EPOCH) / _MILLISECOND
        if isinstance(said, bool) or not isinstance(said, (int, float)):
            raise _no_time()
        # Cut first, for JSON has whole numbers that no float holds.
        near = float(max(-_FAR_MS, min(_FAR_MS, said)))
        return max(-_FAR_MS, min(_FAR_MS, near * self._unit_ms))


def _no_time() -> Rejected:
    return Rejected("invalid_ts", "timestamp: must be a number or RFC 3339")
