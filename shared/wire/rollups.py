"""Rollups as bytes: one columnar MessagePack map for `telemetry.windows.v1`, the live windows in Redis and snapshots.

Columns are raw little-endian arrays under the names of `Rollups`; `series` holds the bytes of the series that `slot`
points into; columns that say nothing are absent, as are samples that equal the count. Times are milliseconds UTC.
Invariant: decode after encode is the identity, to the bit, but for samples in version 4, which has none; what decodes
is sound but for the series, whose bytes are anybody's until `series.checked` has seen them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.errors import Rejected
from shared.model import sketch
from shared.model.rollup import RAGGED, ROW_COLUMNS, SPARSE_COLUMNS, Floats, Ints, Rollups
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
    return _framed(windows, windows.series, columns, version)


def _framed(
    windows: WindowBatch, series: list[bytes], columns: Mapping[str, bytes | memoryview], version: int
) -> bytes:
    frame = _FRAMES[version](
        windows.partition,
        windows.final,
        windows.next_offset,
        windows.watermark_ms,
        series,
        columns,
        windows.resolution_ms,
    )
    return _encoder.encode(frame)


def encode_all(windows: WindowBatch, at: Ints, version: int = OLD) -> Iterator[bytes]:
    """The bytes of several batches whose rows stand end to end: batch k has those from `at[k]` up to `at[k + 1]`.

    Series stand end to end as well, one a row, whatever the slots say. A third of encoding each by itself.
    """
    divided = list(_divided(windows.rollups, at, sampled=carries_samples(version)))
    for k, (begin, end) in enumerate(pairwise(at.tolist())):
        columns = {
            one.name: one.view[one.begin[k] : one.end[k]]
            for one in divided
            if one.there is None or one.there[k]
        }
        yield _framed(windows, windows.series[begin:end], columns, version)


class _Divided(NamedTuple):
    """A column of several batches, and where in its bytes that of each batch begins and ends."""

    name: str
    view: memoryview
    begin: list[int]
    end: list[int]
    there: list[bool] | None
    """Whether a batch has it; None: each has."""


def _divided(rows: Rollups, at: Ints, *, sampled: bool) -> Iterator[_Divided]:
    """In the order in which `encode` has them."""
    entries = {name: getattr(rows, name)[at] for name in RAGGED}
    for name in _COLUMNS:
        if name == "slot":
            sizes = np.diff(at)
            yield _column(name, np.arange(sizes.max(initial=0)), (np.zeros_like(sizes), sizes))
        elif name in RAGGED:
            yield _from_zero(name, rows, at)
        else:
            where = entries["sketch_at"] if name == "bucket" else at
            yield _column(name, getattr(rows, name), (where[:-1], where[1:]))
    spans, known = (at[:-1], at[1:]), np.diff(entries["distinct_at"]) > 0
    yield _column("estimated", rows.estimated, spans, _any(rows.estimated, at))
    yield _from_zero("distinct_at", rows, at, known)
    strings = entries["distinct_at"][:-1], entries["distinct_at"][1:]
    for name in RAGGED["distinct_at"]:
        yield _column(name, getattr(rows, name), strings, known)
    if sampled:
        yield _column("samples", rows.samples, spans, _any(rows.samples != rows.count, at))
    weights, spans = rows.weight, (entries["sketch_at"][:-1], entries["sketch_at"][1:])
    whole = (weights >= 0) & (weights < 1 << 16) & (np.trunc(weights) == weights)
    small = ~_any(~whole, entries["sketch_at"]) & (spans[0] < spans[1])
    yield _column("small_weight", np.where(whole, weights, 0), spans, small)
    yield _column("weight", weights, spans, ~small)


def _column(
    name: str, values: NDArray[Any], spans: tuple[Ints, Ints], there: NDArray[np.bool_] | None = None
) -> _Divided:
    column = np.ascontiguousarray(values, _DTYPES.get(name, "<i8"))
    begin, end = ((column.itemsize * each).tolist() for each in spans)
    return _Divided(name, column.view(np.uint8).data, begin, end, None if there is None else there.tolist())


def _from_zero(name: str, rows: Rollups, at: Ints, there: NDArray[np.bool_] | None = None) -> _Divided:
    """Where the entries of rows begin, in each batch counted from its own first one."""
    where, number = getattr(rows, name), np.arange(len(at))
    begin, end = at[:-1] + number[:-1], at[1:] + number[1:]
    sizes = end - begin
    index = np.arange(sizes.sum()) - np.repeat(number[:-1], sizes)
    return _column(name, where[index] - np.repeat(where[at[:-1]], sizes), (begin, end), there)


def _any(flags: NDArray[np.bool_], at: Ints) -> NDArray[np.bool_]:
    """Whether any flag of each span is set."""
    return np.diff(np.concatenate(([0], np.cumsum(flags)))[at]) > 0


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


def decode_all(values: Sequence[bytes]) -> tuple[list[list[bytes]], Rollups]:
    """The series of each value, and all their rows end to end, slots as they are; a tenth of decoding each by itself.

    Raises as `decode` does. For many small batches: their columns are put together as bytes, and looked at once.
    """
    if not values:
        return [], _rows(dict.fromkeys((*_COLUMNS, "weight"), b""), sampled=True)
    try:
        read = [_read(value) for value in values]
        sampled = all(isinstance(wire, _SAMPLED) for wire in read)
        rows = _rows(_joined([wire.columns for wire in read]), sampled=sampled)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise Rejected("bad_windows", str(error)) from error
    _check(rows, max(len(wire.series) for wire in read))
    return [wire.series for wire in read], rows


def _joined(parts: Sequence[dict[str, bytes]]) -> dict[str, bytes]:
    """The columns of several batches as those of one: what is absent in some is written out, offsets go on."""
    whole: dict[str, bytes] = {}
    for name in _COLUMNS:
        if name not in RAGGED:
            whole[name] = b"".join([part[name] for part in parts])
    rows = [len(part["slot"]) // 8 for part in parts]
    if any("estimated" in part for part in parts):
        flags = [part.get("estimated", bytes(n)) for part, n in zip(parts, rows, strict=True)]
        whole["estimated"] = b"".join(flags)
    if any("samples" in part for part in parts):
        whole["samples"] = b"".join([part.get("samples", part["count"]) for part in parts])
    if all("small_weight" in part for part in parts):
        whole["small_weight"] = b"".join([part["small_weight"] for part in parts])
    else:
        whole["weight"] = b"".join([_weight(part).tobytes() for part in parts])
    whole["sketch_at"] = _offsets([part["sketch_at"] for part in parts])
    if any("distinct_at" in part for part in parts):
        missing = [bytes(8 * (n + 1)) for n in rows]
        whole["distinct_at"] = _offsets(
            [part.get("distinct_at", none) for part, none in zip(parts, missing, strict=True)]
        )
        for name in RAGGED["distinct_at"]:
            whole[name] = b"".join([part.get(name, b"") for part in parts])
    return whole


def _weight(packed: dict[str, bytes]) -> Floats:
    name = "small_weight" if "small_weight" in packed else "weight"
    return np.frombuffer(packed[name], _DTYPES[name]).astype(np.float64, copy=False)


def _offsets(parts: Sequence[bytes]) -> bytes:
    """Columns of offsets, each from 0, as one: every one but the first begins where the one before it ended."""
    each = np.frombuffer(b"".join(parts), "<i8")
    sizes = np.array([len(part) // 8 for part in parts], np.int64)
    ends = np.cumsum(sizes)
    if (sizes < 1).any():
        raise ValueError("offsets: a batch has none")
    total = np.concatenate(([0], np.cumsum(each[ends - 1])[:-1]))
    moved = each + np.repeat(total, sizes)
    kept = np.ones(len(moved), np.bool_)
    kept[ends[:-1]] = False
    return bytes(moved[kept].tobytes())


def _rows(packed: dict[str, bytes], *, sampled: bool) -> Rollups:
    columns: dict[str, Any] = {
        name: np.frombuffer(packed[name], _DTYPES.get(name, "<i8")) for name in _COLUMNS
    }
    for name in _LATER:
        columns[name] = np.frombuffer(packed.get(name, b""), _DTYPES.get(name, "<i8"))
    columns["weight"] = _weight(packed)
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
