"""The batch of points on `telemetry.metrics.v1`, written by producers and read by the aggregator.

A MessagePack map. Columns are raw little-endian arrays: `slot` uint16, `ts_ms` int64, `value` and `weight` float64.
Times are milliseconds UTC. The law: what decodes is sound, so a fold needs no checks; all else is `Rejected`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.errors import Rejected
from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT, Points
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.topics import RETENTION_MS

VERSION = 1
"""Version this code writes and the only one it reads."""

MAX_ROWS = 20_000
"""Rows of one batch, and thus series: a uint16 slot reaches them all, and a record stays small."""

WAITED_MS = RETENTION_MS + 24 * 3600 * 1000
"""How far a receive time may lie behind the broker's append time: a producer may have waited for the broker, and points
that ingest derives may come from the oldest record of the log."""

AHEAD_MS = 3600 * 1000
"""How far it may lie ahead: a producer whose clock is wrong by more would close windows for all the others."""

ROUNDING_MS = 60_000
"""Slack on the age of a point, for a batch may wait in a producer after its points were admitted."""


class _Wire(msgspec.Struct, gc=False, omit_defaults=True):
    v: int
    producer: str
    seq: int
    received_at_ms: int
    series: list[msgspec.Raw] = []
    batches: list[tuple[bytes, int, int]] = []
    slot: bytes = b""
    ts_ms: bytes = b""
    value: bytes = b""
    weight: bytes = b""


@dataclass(slots=True, eq=False)
class Batch:
    """Points of many requests that one producer sent to one partition; without rows it is a tick."""

    producer: str
    """Boot id of a gateway process, or `ingest:<partition>`."""
    seq: int
    """Strictly increasing for each producer and partition."""
    received_at_ms: int
    """Latest receive time of its points."""
    series: list[bytes]
    """Packed distinct series that `points.slot` points into."""
    points: Points
    """The rows."""
    batches: list[tuple[bytes, int, int]]
    """Client batch ids with the first row and the number of rows of each."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(batch: Batch) -> bytes:
    """The bytes of a batch; the caller vouches for its columns."""
    points = batch.points
    return _encoder.encode(
        _Wire(
            v=VERSION,
            producer=batch.producer,
            seq=batch.seq,
            received_at_ms=batch.received_at_ms,
            series=[msgspec.Raw(packed) for packed in batch.series],
            batches=batch.batches,
            slot=points.slot.astype("<u2", copy=False).tobytes(),
            ts_ms=points.ts_ms.astype("<i8", copy=False).tobytes(),
            value=points.value.astype("<f8", copy=False).tobytes(),
            weight=b"" if points.weight is None else points.weight.astype("<f8", copy=False).tobytes(),
        )
    )


def tick(producer: str, seq: int, received_at_ms: int) -> bytes:
    """The bytes of a batch without rows: it only carries time forward."""
    return _encoder.encode(_Wire(v=VERSION, producer=producer, seq=seq, received_at_ms=received_at_ms))


def decode(value: bytes | None, appended_at_ms: int) -> Batch:
    """The batch of a record appended at `appended_at_ms`; raise `Rejected` saying which field is wrong."""
    try:
        wire = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_batch", str(error)) from error
    if wire.v != VERSION:
        raise Rejected("unsupported_version", f"v: {wire.v} is not {VERSION}; run a newer aggregator")
    check_clock(wire.received_at_ms, appended_at_ms)
    points = _points(wire)
    if len(points):
        _check(points, len(wire.series), wire.received_at_ms)
    return Batch(
        wire.producer, wire.seq, wire.received_at_ms, list(map(bytes, wire.series)), points, wire.batches
    )


def check_clock(received_at_ms: int, appended_at_ms: int) -> None:
    """Raise `Rejected` with code `bad_clock` unless a receive time goes with the broker's append time."""
    if not -WAITED_MS <= received_at_ms - appended_at_ms <= AHEAD_MS:
        raise Rejected(
            "bad_clock", "received_at_ms: more than four days behind the broker's clock or an hour ahead"
        )


def _points(wire: _Wire) -> Points:
    rows = len(wire.ts_ms) // 8
    columns: Sequence[tuple[str, bytes, int]] = (
        ("slot", wire.slot, 2), ("ts_ms", wire.ts_ms, 8), ("value", wire.value, 8),
        *([("weight", wire.weight, 8)] if wire.weight else []),
    )  # fmt: skip
    for name, column, size in columns:
        if len(column) != rows * size:
            raise Rejected("bad_batch", f"{name}: {len(column)} bytes do not hold {rows} rows")
    if rows > MAX_ROWS:
        raise Rejected("bad_batch", f"ts_ms: {rows} rows, at most {MAX_ROWS}")
    return Points(
        np.frombuffer(wire.slot, "<u2"),
        np.frombuffer(wire.ts_ms, "<i8"),
        np.frombuffer(wire.value, "<f8"),
        np.frombuffer(wire.weight, "<f8") if wire.weight else None,
    )


def _check(points: Points, series: int, received_at_ms: int) -> None:
    if int(points.slot.max()) >= series:
        raise Rejected("bad_batch", "slot: points past the list of series")
    _within("value", points.value, MAX_MAGNITUDE)
    if points.weight is not None:
        _within("weight", points.weight, MAX_WEIGHT)
    ages = received_at_ms - points.ts_ms
    if int(ages.min()) < -MAX_AHEAD_MS - ROUNDING_MS or int(ages.max()) > MAX_LATE_MS + ROUNDING_MS:
        raise Rejected("bad_batch", "ts_ms: too far from received_at_ms")


def _within(name: str, column: NDArray[Any], bound: float) -> None:
    if not float(np.abs(column).max()) <= bound:
        raise Rejected("bad_batch", f"{name}: not finite, or beyond {bound:g}")
