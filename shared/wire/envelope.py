"""The batch of points on `telemetry.metrics.v1`, written by producers and read by the aggregator.

A MessagePack map. `series` holds the bytes of each; columns are raw little-endian arrays: `slot` uint16, `ts_ms` and
`start_ms` int64, `value` and `weight` float64, `distinct` uint64; the last three are empty when no row needs them.
Times are milliseconds UTC. Invariant: what decodes, of whichever version, is sound, so a fold needs no checks but of
series that it has never seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.errors import Rejected
from shared.ledger.entries import Line
from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT, Points
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.ledger_entries import read
from shared.wire.stored.batch_ids import BATCH_ID_BYTES
from shared.wire.topics import RETENTION_MS
from shared.wire.versions import OLD, Reader, frames
from shared.wire.versions.records import MAX_ROWS, Part

__all__ = ["MAX_ROWS", "Part", "PointBatch", "check_clock", "decode", "encode", "tick"]

WAITED_MS = RETENTION_MS + 24 * 3600 * 1000
"""How far a receive time may lie behind the broker's append time: a producer may have waited for the broker, and points
that ingest derives may come from the oldest record of the log."""

AHEAD_MS = 3600 * 1000
"""How far it may lie ahead: a producer whose clock is wrong by more would close windows for all the others."""

ROUNDING_MS = 60_000
"""Slack on the age of a point, because a batch may wait in a producer after its points were admitted."""


@dataclass(slots=True, eq=False)
class PointBatch:
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
    batches: list[Part]
    """Rows that came in a batch with an id, ascending and disjoint; all other rows came without an id."""
    entries: Sequence[Line] | None = None
    """What its producer let in and refused, for the ledger; None: it does not say."""


_OPTIONAL = (("weight", "<f8"), ("start_ms", "<i8"), ("distinct", "<u8"))
"""Names and forms of the columns that may be missing, in the order of `Points.optional`."""

_FRAMES = frames("Points")
_encoder = msgspec.msgpack.Encoder()
_read = Reader("points", _FRAMES.values(), msgspec.msgpack.Decoder)


def encode(batch: PointBatch, version: int = OLD) -> bytes:
    """The bytes of a batch; the caller vouches for its columns."""
    points = batch.points
    optional = zip(_OPTIONAL, points.optional(), strict=True)
    return _encoder.encode(
        _FRAMES[version](
            producer=batch.producer,
            seq=batch.seq,
            received_at_ms=batch.received_at_ms,
            series=batch.series,
            batches=batch.batches,
            entries=None if batch.entries is None else list(batch.entries),
            slot=points.slot.astype("<u2", copy=False).tobytes(),
            ts_ms=points.ts_ms.astype("<i8", copy=False).tobytes(),
            value=points.value.astype("<f8", copy=False).tobytes(),
            **{
                name: column.astype(form, copy=False).tobytes()
                for (name, form), column in optional
                if column is not None
            },
        )
    )


def tick(
    producer: str,
    seq: int,
    received_at_ms: int,
    entries: Sequence[Line] | None = None,
    version: int = OLD,
) -> bytes:
    """The bytes of a batch without rows, which advances the time and may carry ledger entries."""
    return _encoder.encode(
        _FRAMES[version](
            producer=producer,
            seq=seq,
            received_at_ms=received_at_ms,
            entries=None if entries is None else list(entries),
        )
    )


def decode(value: bytes | None, appended_at_ms: int) -> PointBatch:
    """The batch of a record appended at `appended_at_ms`; raise `Rejected` saying which field is wrong.

    Raises `UnknownVersion` for one that another build has to read.
    """
    try:
        wire = _read(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_batch", str(error)) from error
    check_clock(wire.received_at_ms, appended_at_ms)
    points = _points(wire)
    if len(points):
        _check(points, len(wire.series), wire.received_at_ms)
    _check_parts(wire.batches, len(points))
    return PointBatch(
        wire.producer,
        wire.seq,
        wire.received_at_ms,
        wire.series,
        points,
        wire.batches,
        read(wire.entries),
    )


def check_clock(received_at_ms: int, appended_at_ms: int) -> None:
    """Raise `Rejected` with code `bad_clock` unless a receive time is plausible for the broker's append time."""
    if not -WAITED_MS <= received_at_ms - appended_at_ms <= AHEAD_MS:
        raise Rejected(
            "bad_clock", "received_at_ms: more than four days behind the broker's clock or an hour ahead"
        )


def _points(wire: Any) -> Points:
    rows = len(wire.ts_ms) // 8
    given = [(name, form) for name, form in _OPTIONAL if getattr(wire, name)]
    for name, size in (("slot", 2), ("ts_ms", 8), ("value", 8), *((name, 8) for name, _ in given)):
        if len(column := getattr(wire, name)) != rows * size:
            raise Rejected("bad_batch", f"{name}: {len(column)} bytes do not hold {rows} rows")
    if rows > MAX_ROWS:
        raise Rejected("bad_batch", f"ts_ms: {rows} rows, at most {MAX_ROWS}")
    return Points(
        np.frombuffer(wire.slot, "<u2"),
        np.frombuffer(wire.ts_ms, "<i8"),
        np.frombuffer(wire.value, "<f8"),
        **{name: np.frombuffer(getattr(wire, name), form) for name, form in given},
    )


def _check(points: Points, series: int, received_at_ms: int) -> None:
    if int(points.slot.max()) >= series:
        raise Rejected("bad_batch", "slot: points past the list of series")
    _within("value", points.value, MAX_MAGNITUDE)
    if points.weight is not None:
        _within("weight", points.weight, MAX_WEIGHT)
    if points.start_ms is not None and ((points.start_ms < 0) | (points.start_ms > points.ts_ms)).any():
        raise Rejected("bad_batch", "start_ms: before 1970, or after its point")
    ages = received_at_ms - points.ts_ms
    if int(ages.min()) < -MAX_AHEAD_MS - ROUNDING_MS or int(ages.max()) > MAX_LATE_MS + ROUNDING_MS:
        raise Rejected("bad_batch", "ts_ms: too far from received_at_ms")


def _check_parts(parts: Sequence[Part], rows: int) -> None:
    end = 0
    for part in parts:
        if len(part.batch_id) != BATCH_ID_BYTES:
            raise Rejected("bad_batch", f"batches: an id is not {BATCH_ID_BYTES} bytes")
        if part.body < 0:
            raise Rejected("bad_batch", "batches: a body's hash is negative")
        if part.first < end or part.rows < 1:
            raise Rejected("bad_batch", "batches: rows out of order, or none")
        end = part.first + part.rows
    if end > rows:
        raise Rejected("bad_batch", "batches: rows past the end")


def _within(name: str, column: NDArray[Any], bound: float) -> None:
    if not float(np.abs(column).max()) <= bound:
        raise Rejected("bad_batch", f"{name}: not finite, or beyond {bound:g}")
