"""A batch: the items of one request, under one id for all its repeats.

Positions count items from the first of a signal; seconds are monotonic. The id of a batch never changes and its halves
get new ids, so the gateway can drop a repeat by its id.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic
from uuid import uuid4

from tidegauge_client.signal import Item, Signal

MAX_BODY_BYTES = 900_000
"""Largest body before compression; the gateway accepts 1 MiB uncompressed."""

GZIP_FROM_BYTES = 1_000
"""Smaller bodies are not compressed: they fit into one packet either way."""

GZIP_LEVEL = 3
"""Telemetry repeats itself: higher levels cost the application more than they save the wire."""


@dataclass(eq=False)
class Batch(Generic[Item]):
    """Items that are sent together."""

    signal: Signal[Item]
    items: Sequence[Item]
    start: int
    """Position of its first item."""
    made_s: float
    """When its items were taken from the queue."""
    id: str = field(default_factory=lambda: uuid4().hex)
    """Its `Idempotency-Key`."""

    @cached_property
    def body(self) -> bytes:
        """The batch as JSON."""
        return self.signal.pack(self.items)

    @cached_property
    def zipped(self) -> bytes:
        """The body, compressed with gzip."""
        return gzip.compress(self.body, GZIP_LEVEL, mtime=0)

    @property
    def small(self) -> bool:
        """Whether the body is too small to compress."""
        return len(self.body) < GZIP_FROM_BYTES

    @property
    def too_large(self) -> bool:
        """Whether the gateway would refuse the body for its size."""
        return len(self.body) > MAX_BODY_BYTES

    def halves(self) -> tuple["Batch[Item]", "Batch[Item]"]:
        """Two batches with ids of their own, in order."""
        middle = len(self.items) // 2
        return (
            Batch(self.signal, self.items[:middle], self.start, self.made_s),
            Batch(self.signal, self.items[middle:], self.start + middle, self.made_s),
        )
