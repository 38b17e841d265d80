"""Rollups as bytes: one columnar MessagePack map for `telemetry.windows.v1`, the live windows in Redis and snapshots.

Columns are raw little-endian arrays under the names of `Rollups`; `series` holds the bytes of the series that `slot`
points into; columns that say nothing are absent, as are samples that equal the count. Times are milliseconds UTC.
Invariant: decode after encode is the identity, to the bit, but for samples in version 4, which has none; what decodes
is sound but for the series, whose bytes are anybody's until `series.checked` has seen them.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from shared.errors import Rejected
from shared.model import sketch
from shared.model.rollup import RAGGED, ROW_COLUMNS, SPARSE_COLUMNS, Floats, Rollups
from shared.model.window import BASE_MS, TIERS_MS
from shared.wire.versions import OLD, Reader, frames

_DTYPES = dict.fromkeys(("count", "samples", "sum", "min", "max", "last", "weight"), "<f8") | {
    "bucket": "<i2", "estimated": "u1", "register": "<u2", "rank": "u1", "small_weight": "<u2",
}  # fmt: skip
_LATER = ("estimated", "distinct_at", "register", "rank")
"""Columns that are absent when they say nothing."""
_COLUMNS = tuple(name for name in ROW_COLUMNS + SPARSE_COLUMNS if name not in {*_LATER, "samples", "weight"})

MAX_SAMPLES = 1 << 53
"""Up to which floats hold all whole numbers."""


@dataclass(slots=True, eq=False)
class WindowBatch:
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
    resolution_ms: int = BASE_MS
    """Length of the windows."""


_FRAMES = frames("Windows")
NUMBERS = {version: frame.__struct_config__.tag for version, frame in _FRAMES.items()}
"""The number that batches of each version bear."""
_SAMPLED = tuple(frame for version, frame in _FRAMES.items() if version != 4)  # the one without

_encoder = msgspec.msgpack.Encoder()
_read = Reader("windows", _FRAMES.values(), msgspec.msgpack.Decoder)


def tick(partition: int, next_offset: int, watermark_ms: int) -> WindowBatch:
    """Final windows without rows: all that end at or before the watermark have been published."""
    nothing = _rows(dict.fromkeys((*_COLUMNS, "weight"), b""), sampled=True)
    return WindowBatch(partition, True, next_offset, watermark_ms, [], nothing)


def carries_samples(version: int) -> bool:
    """Whether rows of this version know their samples."""
    return version != 4  # the one without


def encode(windows: WindowBatch, version: int = OLD) -> bytes:
    """The bytes of a batch of windows; weights that all are whole and small have two bytes each."""
    rows = windows.rollups
    later = ("estimated",) * bool(rows.estimated.any()) + _LATER[1:] * bool(len(rows.register))
    if carries_samples(version) and not np.array_equal(rows.samples, rows.count):
        later += ("samples",)
    columns = {
        name: getattr(rows, name).astype(_DTYPES.get(name, "<i8"), copy=False).tobytes()
        for name in (*_COLUMNS, *later)
    }
    name = "small_weight" if sketch.are_small(rows.weight, 1 << 16) else "weight"
    columns[name] = rows.weight.astype(_DTYPES[name], copy=False).tobytes()
    return _encoder.encode(
        _FRAMES[version](
            windows.partition,
            windows.final,
            windows.next_offset,
            windows.watermark_ms,
            windows.series,
            columns,
            windows.resolution_ms,
        )
    )


def decode(value: bytes | None) -> WindowBatch:
    """The windows of these bytes; raise `Rejected` for other bytes, `UnknownVersion` for those of another build."""
    try:
        wire = _read(value or b"")
        if wire.resolution_ms not in TIERS_MS:
            raise Rejected("bad_windows", f"resolution_ms: {wire.resolution_ms} is not one of {TIERS_MS}")
        rows = _rows(wire.columns, sampled=isinstance(wire, _SAMPLED))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise Rejected("bad_windows", str(error)) from error
    _check(rows, len(wire.series))
    return WindowBatch(
        wire.partition, wire.final, wire.next_offset, wire.watermark_ms, wire.series, rows, wire.resolution_ms
    )


def _rows(packed: dict[str, bytes], *, sampled: bool) -> Rollups:
    columns: dict[str, Any] = {
        name: np.frombuffer(packed[name], _DTYPES.get(name, "<i8")) for name in _COLUMNS
    }
    for name in _LATER:
        columns[name] = np.frombuffer(packed.get(name, b""), _DTYPES.get(name, "<i8"))
    name = "small_weight" if "small_weight" in packed else "weight"
    columns["weight"] = np.frombuffer(packed[name], _DTYPES[name]).astype(np.float64, copy=False)
    rows = len(columns["slot"])
    columns["samples"] = _samples(packed, columns["count"]) if sampled else np.full(rows, np.nan)
    columns["estimated"] = columns["estimated"] != 0 if "estimated" in packed else np.zeros(rows, np.bool_)
    for at in RAGGED:
        if not len(columns[at]):
            columns[at] = np.zeros(rows + 1, np.int64)
    return Rollups(**columns)


def _samples(packed: dict[str, bytes], count: Floats) -> Floats:
    """The samples of a version that has them."""
    if "samples" not in packed:
        return count
    samples = np.frombuffer(packed["samples"], _DTYPES["samples"])
    known = samples[~np.isnan(samples)]
    if ((np.abs(known) > MAX_SAMPLES) | (np.trunc(known) != known)).any():
        raise Rejected("bad_windows", "samples: must be whole numbers")
    return samples


def _check(rows: Rollups, series: int) -> None:
    for name in ROW_COLUMNS:
        if len(getattr(rows, name)) != len(rows):
            raise Rejected("bad_windows", f"{name}: does not have one entry a row")
    if len(rows) and not 0 <= int(rows.slot.min()) <= int(rows.slot.max()) < series:
        raise Rejected("bad_windows", "slot: points past the list of series")
    for name, divided in RAGGED.items():
        at, sizes = getattr(rows, name), [len(getattr(rows, each)) for each in divided]
        if len(at) != len(rows) + 1 or at[0] != 0 or (np.diff(at) < 0).any() or at[-1] != sizes[0]:
            raise Rejected("bad_windows", f"{name}: does not divide the entries among the rows")
        if sizes[0] != sizes[1]:
            raise Rejected("bad_windows", f"{divided[1]}: does not have one entry for each {divided[0]}")
    if len(rows.register) and (
        rows.register.max() >= 1 << 12 or not 1 <= rows.rank.min() <= rows.rank.max() <= 53
    ):
        raise Rejected("bad_windows", "register: beyond 4095, or a rank beyond 1 to 53")
