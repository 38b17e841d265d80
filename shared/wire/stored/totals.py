"""Running totals as bytes: a MessagePack map of raw little-endian columns, and with it the series that slots mean.

Times are milliseconds UTC. What the columns hold is the aggregator's; version 4 has no number.
"""

from dataclasses import dataclass, field

import msgspec

from shared.errors import Rejected
from shared.wire.versions import OLD, check, frames, number_of

_FRAMES = frames("RunningTotals")
_encoder = msgspec.msgpack.Encoder()
_decoders = {version: msgspec.msgpack.Decoder(frame) for version, frame in _FRAMES.items()}


@dataclass(slots=True)
class RunningTotals:
    """Running totals, packed."""

    columns: dict[str, bytes]
    floor_ms: int = 0
    series: list[bytes] = field(default_factory=list)
    continued: bool = False
    identified_ms: int | None = None
    """Event time up to which nothing told streams of a series apart; None: it never did, as in version 4."""


def encode(totals: RunningTotals, version: int = OLD) -> bytes:
    """The bytes of running totals."""
    frame = _FRAMES[version](totals.floor_ms, totals.series, totals.columns, totals.continued)
    if version > OLD:
        frame.identified_ms = totals.identified_ms
    return _encoder.encode(frame)


def decode(packed: bytes) -> RunningTotals:
    """The running totals of these bytes; raise `Rejected` for other bytes, `UnknownVersion` for another build's."""
    try:
        number = number_of(packed, absent=4)
        check("running totals", number, _FRAMES)
        frame = _decoders[number].decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_totals", str(error)) from error
    identified_ms = getattr(frame, "identified_ms", None)
    return RunningTotals(frame.columns, frame.floor_ms, frame.series, frame.continued, identified_ms)
