"""The batch of points on `telemetry.metrics.v1`, written by producers and read by the aggregator.

A MessagePack map. `series` holds the bytes of each; columns are raw little-endian arrays: `slot` uint16, `ts_ms` int64,
`value` float64, and `_OPTIONAL`, each empty when no row needs it. Version 4 has no `stream`. Times are milliseconds
UTC. Invariant: what decodes, of whichever version, is sound but for the rows that it says to refuse, so a fold needs no
checks but of series that it has never seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.errors import Rejected
from shared.ledger.entries import Line
from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT, Points
from shared.model.window import MAX_LEAD_MS, MAX_POINT_AGE_MS
from shared.wire.ledger_entries import read
from shared.wire.stored.batch_ids import BATCH_ID_BYTES
from shared.wire.versions import OLD, Reader, frames
from shared.wire.versions.records import MAX_ROWS, Part

__all__ = ["MAX_ROWS", "Part", "PointBatch", "RefusedRows", "address", "decode", "encode", "tick"]

TS_IN_FUTURE, TS_TOO_OLD = "ts_in_future", "ts_too_old"
"""Codes of what lies too far from its append time; the gateway refuses by the same names."""


BAD_VALUE, BAD_WEIGHT, BAD_START = "bad_value", "bad_weight", "bad_start"
"""Codes of a value or weight that is not finite or too large, and of a start before 1970 or after its point."""


class RefusedRows(NamedTuple):
    """Rows of a batch that may not count, though their neighbours do."""

    code: str
    rows: NDArray[np.bool_]
    """True where a row is refused."""


@dataclass(slots=True, eq=False)
class PointBatch:
    """Points of many requests that one producer sent to one partition; without rows it is a tick."""

    producer: str
    """Boot id of a gateway's Kafka producer, which has no colon; `ingest:<partition>` and others that have one."""
    seq: int
    """Strictly increasing for each producer and partition; by one where the name of the producer has no colon."""
    received_at_ms: int
    """Latest receive time of its points, by the clock of its producer: nothing is decided by it."""
    series: list[bytes]
    """Packed distinct series that `points.slot` points into."""
    points: Points
    """The rows."""
    batches: list[Part]
    """Rows that came in a batch with an id, ascending and disjoint; all other rows came without an id."""
    entries: Sequence[Line] | None = None
    """What its producer let in and refused, for the ledger; None: it does not say."""
    refused: Sequence[RefusedRows] = ()
    """Rows that lie too far from the append time or cannot be folded; not sent."""


_OPTIONAL = (("weight", "<f8"), ("start_ms", "<i8"), ("distinct", "<u8"), ("stream", "<u8"))
"""Names and forms of the columns that may be missing, in the order of `Points.optional`."""

_FRAMES = frames("Points")
_FIELDS = {version: frozenset(frame.__struct_fields__) for version, frame in _FRAMES.items()}
_encoder = msgspec.msgpack.Encoder()
_read = Reader("points", _FRAMES.values(), msgspec.msgpack.Decoder)


def encode(batch: PointBatch, version: int = OLD) -> bytes:
    """The bytes of a batch, without columns that the version has not; the caller vouches for them."""
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
                if column is not None and name in _FIELDS[version]
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
    points = _points(wire)
    if len(points) and int(points.slot.max()) >= len(wire.series):
        raise Rejected("bad_batch", "slot: points past the list of series")
    _check_parts(wire.batches, len(points))
    return PointBatch(
        wire.producer,
        wire.seq,
        wire.received_at_ms,
        wire.series,
        points,
        wire.batches,
        read(wire.entries),
        [*untimely(points.ts_ms, appended_at_ms), *unsound(points)] if len(points) else (),
    )


class _Address(msgspec.Struct):
    producer: str
    seq: int


_address = msgspec.msgpack.Decoder(_Address)


def address(value: bytes | None) -> tuple[str, int] | None:
    """Producer and number of a message, sound or not; None where they cannot be read."""
    try:
        found = _address.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found.producer, found.seq


def untimely(ts_ms: NDArray[np.int64], appended_at_ms: int) -> Sequence[RefusedRows]:
    """The rows, at least one, that lie too far ahead of the append time or behind it; empty when none does."""
    latest_ms, oldest_ms = appended_at_ms + MAX_LEAD_MS, appended_at_ms - MAX_POINT_AGE_MS
    if int(ts_ms.max()) <= latest_ms and int(ts_ms.min()) >= oldest_ms:
        return ()
    found = RefusedRows(TS_IN_FUTURE, ts_ms > latest_ms), RefusedRows(TS_TOO_OLD, ts_ms < oldest_ms)
    return [one for one in found if one.rows.any()]


def unsound(points: Points) -> Iterator[RefusedRows]:
    """The rows, at least one, whose value, weight or start cannot be folded; nothing when all can."""
    yield from _beyond(BAD_VALUE, points.value, MAX_MAGNITUDE)
    if points.weight is not None:
        yield from _beyond(BAD_WEIGHT, points.weight, MAX_WEIGHT)
    if points.start_ms is not None:
        rows = (points.start_ms < 0) | (points.start_ms > points.ts_ms)
        if rows.any():
            yield RefusedRows(BAD_START, rows)


def _beyond(code: str, column: NDArray[Any], bound: float) -> Iterator[RefusedRows]:
    """The rows that are not finite, or beyond the bound."""
    if not float(np.abs(column).max()) <= bound:
        yield RefusedRows(code, ~(np.abs(column) <= bound))


def _points(wire: Any) -> Points:
    rows = len(wire.ts_ms) // 8
    given = [(name, form) for name, form in _OPTIONAL if getattr(wire, name, b"")]
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
