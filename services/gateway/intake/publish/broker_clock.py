"""The time by the clock of the broker: what a gateway stamps instead of the time by its own.

Milliseconds UTC and seconds, as the names say. Until the broker has answered once it is the time of this machine, and
nothing is taken in.
"""

from collections.abc import Callable, Iterable

from aiokafka.structs import RecordMetadata

from services.gateway.intake.domain.clock_offset import RoundTrip, RoundTrips, broker_ms
from shared.runtime.clock import monotonic_s, now_ms

LOG_APPEND_TIME = 1
"""Kafka's number for a timestamp that is the broker's; any other type tells the time of a client."""


class BrokerClock:
    """What the answers to all producers of a process say of the time."""

    def __init__(
        self,
        max_offset_ms: int,
        *,
        wall_ms: Callable[[], int] = now_ms,
        elapsed_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self._max_offset_s = max_offset_ms / 1000
        self._wall_ms = wall_ms
        self._elapsed_s = elapsed_s
        self._trips = RoundTrips()

    def heard(self, sent_s: float, answers: Iterable[RecordMetadata]) -> None:
        """Take in the acks, which have just come, of messages that were sent at `sent_s` on the monotonic clock."""
        for answer in answers:
            if answer.timestamp_type == LOG_APPEND_TIME:
                self._trips.add(RoundTrip(sent_s, self._elapsed_s(), answer.timestamp))
                return

    def now_ms(self) -> int:
        """The broker's time."""
        trip = self._trips.shortest
        return self._wall_ms() if trip is None else round(broker_ms(trip, self._elapsed_s()))

    def offset_s(self) -> float | None:
        """How far this machine's clock is ahead of the broker's, below 0 when it is behind; None: not known yet."""
        trip = self._trips.shortest
        return None if trip is None else (self._wall_ms() - broker_ms(trip, self._elapsed_s())) / 1000

    def refusal(self) -> str | None:
        """Why nothing can be stamped yet, None when it can."""
        return None if self._trips.shortest else "the broker's clock has not been read yet"

    def unready(self) -> str | None:
        """Why no load should be sent to a machine with this clock, None when it may; what comes is stamped rightly."""
        offset_s = self.offset_s()
        if offset_s is None or abs(offset_s) <= self._max_offset_s:
            return self.refusal()
        way = "ahead of" if offset_s > 0 else "behind"
        return f"the clock of this machine is {abs(offset_s):.1f} s {way} the broker's"
