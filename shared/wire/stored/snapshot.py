"""The open windows of a partition as bytes: the snapshot in its checkpoint, and beside it each coarse window whole.

A snapshot is zstd of a MessagePack map with a version: `open` holds the base windows, `amended` the rows of coarse
windows that changed since these were kept, each as a batch of windows, `totals` what came of running totals since all
were kept. What is kept whole, in `open_window`, is zstd of such a batch, or of totals.
"""

from dataclasses import dataclass

import cramjam
import msgspec

from shared.errors import Rejected
from shared.wire import rollups
from shared.wire.rollups import NUMBERS, WindowBatch
from shared.wire.stored import totals
from shared.wire.stored.totals import RunningTotals
from shared.wire.versions import OLD, check, frames, number_of

_LEVEL = 1
_FRAMES = frames("Snapshot")
_encoder = msgspec.msgpack.Encoder()
_decoders = {version: msgspec.msgpack.Decoder(frame) for version, frame in _FRAMES.items()}


@dataclass(slots=True)
class Snapshot:
    """What a checkpoint leaves open."""

    open: WindowBatch | None
    amended: list[WindowBatch]
    totals: RunningTotals | None


def encode(snapshot: Snapshot, version: int = OLD) -> bytes:
    """The bytes of a snapshot; all that it holds is of the same version."""
    frame = _FRAMES[version](
        open=b"" if snapshot.open is None else rollups.encode(snapshot.open, version),
        amended=[rollups.encode(each, version) for each in snapshot.amended],
        totals=b"" if snapshot.totals is None else totals.encode(snapshot.totals, version),
    )
    return _compressed(_encoder.encode(frame))


def decode(packed: bytes) -> Snapshot:
    """The snapshot of these bytes; raise `Rejected` for other bytes, `UnknownVersion` for those of another build."""
    plain = _plain(packed)
    try:
        number = number_of(plain, absent=0)
        check("snapshot", number, _FRAMES)
        frame = _decoders[number].decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_snapshot", str(error)) from error
    return Snapshot(
        rollups.decode(frame.open) if frame.open else None,
        list(map(rollups.decode, frame.amended)),
        totals.decode(frame.totals) if frame.totals else None,
    )


def encode_window(windows: WindowBatch, version: int = OLD) -> bytes:
    """The bytes of an open window that is kept whole."""
    return _compressed(rollups.encode(windows, version))


def decode_window(packed: bytes) -> WindowBatch:
    """An open window that was kept whole; raises as `decode`."""
    return rollups.decode(_plain(packed))


def encode_totals(kept: RunningTotals, version: int = OLD) -> bytes:
    """The bytes of all running totals, kept whole."""
    return _compressed(totals.encode(kept, version))


def decode_totals(packed: bytes) -> RunningTotals:
    """All running totals, kept whole; raises as `decode`."""
    return totals.decode(_plain(packed))


def rewritten_window(packed: bytes, version: int) -> bytes | None:
    """The bytes of an open window in this version; None: they are."""
    if number_of(_plain(packed), absent=0) == NUMBERS[version]:
        return None
    return encode_window(decode_window(packed), version)


def rewritten_totals(packed: bytes, version: int) -> bytes | None:
    """The bytes of running totals in this version; None: they are."""
    if number_of(_plain(packed), absent=OLD) == version:
        return None
    return encode_totals(decode_totals(packed), version)


def _compressed(packed: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(packed, level=_LEVEL))


def _plain(packed: bytes) -> bytes:
    try:
        return bytes(cramjam.zstd.decompress(packed))
    except cramjam.DecompressionError as error:
        raise Rejected("bad_snapshot", str(error)) from error
