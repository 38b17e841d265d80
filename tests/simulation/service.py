"""What a simulated world asks of the service that it runs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from shared.stream.processor import Key, Processor, Record
from tests.support.simulated.kafka import MemorySender

At = tuple[int, int, int]
"""A row: the length of its window in milliseconds, its series and its start."""


class Sent(NamedTuple):
    """Who sends a message, and when."""

    producer: str
    seq: int
    clock_ms: int
    """When the broker appends it."""
    skew_ms: int = 0
    """How far the clock of its sender is ahead."""

    @property
    def received_at_ms(self) -> int:
        """The time by the clock of its sender."""
        return self.clock_ms + self.skew_ms


class Point(NamedTuple):
    """One value of one series."""

    series: int
    ts_ms: int
    value: float
    weight: float


Points = Sequence[Point]

TOTALS = 1 << 10
"""Series from this number on hold running totals; what these add up to is not plain addition."""


class Row(NamedTuple):
    """A row as it was published."""

    at: At
    revision: int
    content: Any


class Service(Protocol):
    """A service with windows."""

    topic: str
    """Where it publishes."""
    spans_ms: Sequence[int]
    """Lengths of its windows."""

    def processor(self, sender: MemorySender) -> Processor[Any]:
        """A process of it."""

    def encode(self, sent: Sent, points: Points) -> bytes:
        """The bytes of a message, with the receive time that its sender stamps."""

    def restamped(self, record: Record) -> Record:
        """The same record as a sender with a right clock would have written it; one that is unreadable as it is."""

    def rows(self, stored: Mapping[Any, Any]) -> dict[At, tuple[float, Any]]:
        """The rows among all that is stored, each with its sum and its content."""

    def missing(self, stored: Mapping[Any, Any], key: Key) -> int | None:
        """How many messages of a partition it missed by their numbers; None: it does not look at them."""

    def published(self, value: bytes) -> tuple[int, Sequence[Row]]:
        """What a message says: a watermark, and rows."""
