"""A batch: the items of one request, under one id for all its repeats.

Positions count items from the first of a signal; `_s` is monotonic, `_ms` is UTC. The id of a batch never changes. Its
halves get ids that follow from it: after a restart they are the same ones, and the gateway drops repeats of each.
"""

import gzip
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tidegauge_client.checks import compact
from tidegauge_client.clock import now_ms
from tidegauge_client.signal import Item, Signal

MAX_BODY_BYTES = 900_000
"""Largest body before compression; the gateway accepts 1 MiB uncompressed."""

GZIP_FROM_BYTES = 1_000
"""Smaller bodies are not compressed: they fit into one packet either way."""

GZIP_LEVEL = 3
"""Telemetry repeats itself: higher levels cost the application more than they save the wire."""

OTHERS = -1
"""Position of a batch that another process has made."""


class Content(NamedTuple):
    """What is sent of a batch."""

    sent: bytes
    gzipped: bool

    def body(self) -> bytes:
        """The batch as JSON."""
        return gzip.decompress(self.sent) if self.gzipped else self.sent


IN_FILE = Content(b"", gzipped=False)


class Stored(NamedTuple):
    """The file of a batch."""

    path: Path
    size: int
    """What it takes of the disk, in bytes."""


@dataclass(eq=False)
class Batch:
    """Items that are sent together."""

    signal: Signal[Any]
    count: int
    start: int
    """Position of its first item."""
    content: Content
    """`IN_FILE` when it is in its file alone; nothing of what is too large to be sent at all."""
    too_large: bool = False
    """Whether the gateway would refuse it for its size."""
    id: str = field(default_factory=lambda: uuid4().hex)
    """Its `Idempotency-Key`."""
    made_s: float = field(default_factory=time.monotonic)
    made_ms: int = field(default_factory=now_ms)
    tried_ms: int = 0
    """When it was sent first without an answer that says what became of it; 0: it never was."""
    stored: Stored | None = None


def batches(signal: Signal[Item], items: Sequence[Item], start: int) -> list[Batch]:
    """Batches of so many items as fit into a body each, in order."""
    body = signal.pack(items)
    if len(body) > MAX_BODY_BYTES:
        if len(items) == 1:
            return [Batch(signal, 1, start, IN_FILE, too_large=True)]
        middle = len(items) // 2
        return batches(signal, items[:middle], start) + batches(signal, items[middle:], start + middle)
    return [Batch(signal, len(items), start, _content(body))]


def halves(batch: Batch, content: Content) -> tuple[Batch, Batch]:
    """Two batches in the place of one, in order."""
    items = fields(batch, content)
    middle = len(items) // 2
    first, second = (
        Batch(
            batch.signal,
            len(part),
            start,
            _content(compact({batch.signal.name: part}).encode()),
            id=blake2b(f"{batch.id}/{half}".encode(), digest_size=16).hexdigest(),
            made_s=batch.made_s,
            made_ms=batch.made_ms,
        )
        for half, part, start in (
            (0, items[:middle], batch.start),
            (1, items[middle:], OTHERS if batch.start == OTHERS else batch.start + middle),
        )
    )
    return first, second


def fields(batch: Batch, content: Content) -> list[dict[str, Any]]:
    """The items of a batch as the gateway receives them."""
    found: list[dict[str, Any]] = json.loads(content.body())[batch.signal.name]
    return found


def _content(body: bytes) -> Content:
    if len(body) < GZIP_FROM_BYTES:
        return Content(body, gzipped=False)
    return Content(gzip.compress(body, GZIP_LEVEL, mtime=0), gzipped=True)
