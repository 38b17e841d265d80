"""The open windows of a partition as bytes: the snapshot in its checkpoint, and beside it each coarse window whole.

A snapshot is zstd of a MessagePack map with a version: `open` holds the base windows, `amended` the rows of coarse
windows that changed since these were kept, each as a batch of windows, `totals` what came of running totals since all
were kept; what is kept whole is zstd of such a batch, or of totals. The law: another version stops the start and says
how to go on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import cramjam
import msgspec

from services.aggregator.adapters import totals
from services.aggregator.adapters.totals import Recalled
from services.aggregator.domain.totals.history import NOTHING as NO_TOTALS
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.work import RollupWork, SeriesRollups, with_used_series
from shared.errors import Misconfigured, Rejected
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS
from shared.stream.processor import Key
from shared.wire import rollups

VERSION = 4
"""Version this code writes and the only one it reads."""

TOTALS = 0
"""Stands for running totals where else the resolution of a coarse window stands."""

_LEVEL = 1


class _Wire(msgspec.Struct):
    v: int
    open: bytes = b""
    amended: list[bytes] = []
    totals: bytes = b""


class Opened(NamedTuple):
    """What a snapshot holds."""

    open: SeriesRollups | None
    amended: dict[int, SeriesRollups]
    totals: Recalled | None = None


NOTHING = Opened(None, {})
"""What no snapshot holds."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(key: Key, work: RollupWork) -> bytes | None:
    """The bytes of what a checkpoint leaves open; None: nothing."""
    if work.open is None and not work.amended and work.totals is None:
        return None
    wire = _Wire(
        VERSION,
        b"" if work.open is None else _packed(key, work, BASE_MS, work.open),
        [_packed(key, work, resolution_ms, rows) for resolution_ms, rows in work.amended.items()],
        b"" if work.totals is None else totals.encode(work.series, work.totals),
    )
    return _compressed(_encoder.encode(wire))


def whole(key: Key, work: RollupWork) -> Iterator[tuple[int, bytes]]:
    """The bytes of each coarse window that a checkpoint keeps whole, with its resolution; and of all running totals."""
    for resolution_ms, rows in work.whole.items():
        yield resolution_ms, _compressed(_packed(key, work, resolution_ms, rows))
    if work.whole_totals is not None:
        yield TOTALS, _compressed(totals.encode_whole(work.whole_totals))


class Whole(NamedTuple):
    """What was kept whole."""

    windows: dict[int, SeriesRollups]
    """Coarse windows by resolution."""
    totals: Totals


def opened(key: Key, kept: Mapping[int, bytes]) -> Whole:
    """What was kept whole, by resolution. Raises `Misconfigured` for a format of another version."""
    with _read(key):
        return Whole(
            {at: _named(_decompressed(packed))[1] for at, packed in kept.items() if at != TOTALS},
            totals.decode_whole(_decompressed(kept[TOTALS])) if TOTALS in kept else NO_TOTALS,
        )


def _compressed(packed: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(packed, level=_LEVEL))


def _decompressed(packed: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(packed))


def _packed(key: Key, work: RollupWork, resolution_ms: int, rows: Rollups) -> bytes:
    series, compacted = with_used_series(work.series, rows)
    return rollups.encode(rollups.WindowBatch(key.partition, False, 0, 0, series, compacted, resolution_ms))


def decode(key: Key, snapshot: bytes) -> Opened:
    """What these bytes hold. Raises `Misconfigured` for a format of another version."""
    with _read(key):
        return _opened(_decompressed(snapshot))


@contextmanager
def _read(key: Key) -> Iterator[None]:
    try:
        yield
    except (cramjam.DecompressionError, msgspec.DecodeError, Rejected) as error:
        raise Misconfigured(
            f"the snapshot of {key.topic}[{key.partition}] cannot be read ({error}). Run the version that wrote "
            "it until its windows have closed, then this one"
        ) from error


def _opened(packed: bytes) -> Opened:
    wire = _decoder.decode(packed)
    if wire.v != VERSION:
        raise Rejected("unsupported_version", f"v: {wire.v} is not {VERSION}")
    return Opened(
        _named(wire.open)[1] if wire.open else None,
        dict(map(_named, wire.amended)),
        totals.decode(wire.totals) if wire.totals else None,
    )


def _named(packed: bytes) -> tuple[int, SeriesRollups]:
    windows = rollups.decode(packed)
    return windows.resolution_ms, SeriesRollups(windows.series, windows.rollups)
