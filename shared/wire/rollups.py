"""Rollups as bytes: one columnar MessagePack map for `telemetry.windows.v1`, the live windows in Redis and snapshots.

Columns are raw little-endian arrays under the names of `Rollups`; `series` holds the packed series that `slot` points
into. Times are milliseconds UTC. The law: decode after encode is the identity, to the bit, and what decodes is sound
but for the series, whose bytes are anybody's until `series.checked` has seen them.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from shared.errors import Rejected
from shared.model.rollup import ROW_COLUMNS, SKETCH_COLUMNS, Rollups

VERSION = 1
"""Version this code writes and the only one it reads."""

_DTYPES = dict.fromkeys(("count", "sum", "min", "max", "last", "weight"), "<f8") | {"bucket": "<i2"}
_COLUMNS = ROW_COLUMNS + SKETCH_COLUMNS


class _Wire(msgspec.Struct, gc=False):
    v: int
    partition: int
    final: bool
    next_offset: int
    watermark_ms: int
    series: list[msgspec.Raw]
    columns: dict[str, bytes]


@dataclass(slots=True, eq=False)
class Windows:
    """Rollups of one partition of the metrics topic, as of one place in its log."""

    partition: int
    """Partition of the metrics topic."""
    final: bool
    """True: the windows have closed; False: they are live."""
    next_offset: int
    """The rollups hold what lies below this offset."""
    watermark_ms: int
    """Watermark of the partition at that offset."""
    series: list[bytes]
    """Packed series that `rollups.slot` points into."""
    rollups: Rollups
    """The rows."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def tick(partition: int, next_offset: int, watermark_ms: int) -> Windows:
    """Final windows without rows: all that end at or before the watermark have been published."""
    columns: dict[str, Any] = {name: np.zeros(0, _DTYPES.get(name, "<i8")) for name in _COLUMNS}
    columns["sketch_at"] = np.zeros(1, np.int64)
    return Windows(partition, True, next_offset, watermark_ms, [], Rollups(**columns))


def encode(windows: Windows) -> bytes:
    """The bytes of a batch of windows."""
    columns = {
        name: getattr(windows.rollups, name).astype(_DTYPES.get(name, "<i8"), copy=False).tobytes()
        for name in _COLUMNS
    }
    series = [msgspec.Raw(packed) for packed in windows.series]
    return _encoder.encode(
        _Wire(
            VERSION,
            windows.partition,
            windows.final,
            windows.next_offset,
            windows.watermark_ms,
            series,
            columns,
        )
    )


def decode(value: bytes | None) -> Windows:
    """The windows of these bytes; raise `Rejected` for other bytes or another version."""
    try:
        wire = _decoder.decode(value or b"")
        if wire.v != VERSION:
            raise Rejected("unsupported_version", f"v: {wire.v} is not {VERSION}")
        columns: dict[str, Any] = {
            name: np.frombuffer(wire.columns[name], _DTYPES.get(name, "<i8")) for name in _COLUMNS
        }
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise Rejected("bad_windows", str(error)) from error
    series, rows = list(map(bytes, wire.series)), Rollups(**columns)
    _check(rows, len(series))
    return Windows(wire.partition, wire.final, wire.next_offset, wire.watermark_ms, series, rows)


def _check(rows: Rollups, series: int) -> None:
    for name in ROW_COLUMNS:
        if len(getattr(rows, name)) != len(rows):
            raise Rejected("bad_windows", f"{name}: does not have one entry a row")
    if len(rows) and not 0 <= int(rows.slot.min()) <= int(rows.slot.max()) < series:
        raise Rejected("bad_windows", "slot: points past the list of series")
    at = rows.sketch_at
    if len(at) != len(rows) + 1 or at[0] != 0 or (np.diff(at) < 0).any() or at[-1] != len(rows.bucket):
        raise Rejected("bad_windows", "sketch_at: does not divide the sketches among the rows")
    if len(rows.weight) != len(rows.bucket):
        raise Rejected("bad_windows", "weight: does not have one entry a bucket")
