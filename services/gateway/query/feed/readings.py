"""Reads a record of the topic of windows as far as the feed needs it: where it stands, and which blocks it changes.

Pure, so that it can run in a thread; zstd and numpy let others go on meanwhile. Times are milliseconds UTC. Rows stay
as they came until somebody asks for them, those of closed windows compressed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cramjam
import numpy as np

from services.gateway.query.questions.source import BLOCKS_MS
from shared.errors import Rejected, UnknownVersion
from shared.model.rollup import Ints
from shared.model.window import BASE_MS
from shared.wire import rollups
from shared.wire.rollups import WindowBatch
from shared.wire.series import head_of

MAX_MS = 1 << 47
"""Times beyond this are no times."""

NO_NAMES = np.zeros(0, np.int64)

_LEVEL = 1
_BLOCKS = 1 << 32


class Arrival(NamedTuple):
    """A record of the topic."""

    partition: int
    offset: int
    appended_ms: int
    value: bytes | None


class Block(NamedTuple):
    """Windows of a tier of one metric."""

    head: bytes
    """Names tenant and metric, as the bytes of their series do."""
    tier_ms: int
    start_ms: int


@dataclass(slots=True, eq=False)
class Message:
    """A record that could be read."""

    partition: int
    appended_ms: int
    final: bool
    next_offset: int
    watermark_ms: int
    tick: bool
    """No rows: all windows that end at or before the watermark have been published."""
    starts_ms: tuple[int, int]
    """The earliest and the latest start of its windows; (0, 0) for a tick."""
    changes: tuple[Block, ...]
    """Blocks of closed windows that it has rows of."""
    value: bytes
    """The batch of windows as bytes; empty where no row of it is needed any more."""
    packed: bool
    """Whether these are compressed."""
    names: Ints
    """Of open windows: hashes of their series."""


class Unreadable(NamedTuple):
    """A record that could not be read: nobody knows what it would have said."""

    partition: int
    appended_ms: int
    reason: str


def read(arrivals: Sequence[Arrival]) -> list[Message | Unreadable]:
    """What records say, in their order."""
    return [_read(one) for one in arrivals]


def _read(arrival: Arrival) -> Message | Unreadable:
    try:
        return _message(arrival, rollups.decode(arrival.value))
    except (Rejected, UnknownVersion, IndexError, ValueError) as problem:
        # An IndexError is what bytes that are no series give.
        return Unreadable(arrival.partition, arrival.appended_ms, f"record {arrival.offset}: {problem}")


def _message(arrival: Arrival, batch: WindowBatch) -> Message:
    if batch.partition != arrival.partition:
        raise Rejected("bad_windows", f"partition: {batch.partition} is not {arrival.partition}")
    starts_ms = _starts(batch)
    kept = arrival.value if len(batch.rollups) and batch.resolution_ms == BASE_MS else b""
    return Message(
        batch.partition,
        arrival.appended_ms,
        batch.final,
        batch.next_offset,
        batch.watermark_ms,
        tick=batch.final and not len(batch.rollups),
        starts_ms=starts_ms,
        changes=tuple(_changes(batch)) if batch.final else (),
        value=bytes(cramjam.zstd.compress(kept, level=_LEVEL)) if kept and batch.final else kept or b"",
        packed=batch.final,
        names=NO_NAMES if batch.final else np.fromiter(map(hash, batch.series), np.int64, len(batch.series)),
    )


def _starts(batch: WindowBatch) -> tuple[int, int]:
    start_ms = batch.rollups.start_ms
    if not len(start_ms):
        return 0, 0
    low_ms, high_ms = int(start_ms.min()), int(start_ms.max())
    if not 0 <= low_ms <= high_ms < MAX_MS:
        raise Rejected("bad_windows", "start_ms: is not a time")
    if not batch.final and low_ms != high_ms:
        raise Rejected("bad_windows", "start_ms: a live message has windows of one start")
    return low_ms, high_ms


def heads_of(series: Sequence[bytes]) -> tuple[list[bytes], Ints]:
    """The heads among series, each once, and for each series the place of its own among them."""
    places: dict[bytes, int] = {}
    of_series = [places.setdefault(head_of(packed), len(places)) for packed in series]
    return list(places), np.array(of_series, np.int64)


def _changes(batch: WindowBatch) -> list[Block]:
    if not len(batch.rollups):
        return []
    heads, of_series = heads_of(batch.series)
    length_ms = BLOCKS_MS[batch.resolution_ms]
    pairs = np.unique(of_series[batch.rollups.slot] * _BLOCKS + batch.rollups.start_ms // length_ms)
    return [
        Block(heads[pair // _BLOCKS], batch.resolution_ms, pair % _BLOCKS * length_ms)
        for pair in pairs.tolist()
    ]


def unpacked(message: Message) -> WindowBatch:
    """The rows of a message that has some."""
    value = bytes(cramjam.zstd.decompress(message.value)) if message.packed else message.value
    return rollups.decode(value)
