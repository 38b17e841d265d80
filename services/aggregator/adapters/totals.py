"""Running totals as bytes, for the snapshot: a MessagePack map of raw little-endian columns.

Keys are stored as differences, which are small and alike, so that little is left of them once compressed. The law:
decode after encode is the identity, to the bit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from services.aggregator.domain.history import Totals
from services.aggregator.domain.increments import Kept
from shared.errors import Rejected

_OF_CHAIN = {"slot": "<i8", "histogram": "?", "middle": "<f8", "begun_ms": "<i8"}
_OF_RUN = {"chain": "<i8", "start_ms": "<i8", "whole": "?", "first_ms": "<i8"}


class _Wire(msgspec.Struct, gc=False):
    floor_ms: int
    series: list[msgspec.Raw]
    columns: dict[str, bytes]


class Recalled(NamedTuple):
    """Running totals with the series that their slots mean."""

    series: list[bytes]
    kept: Kept


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(series: Sequence[bytes], kept: Kept) -> bytes:
    """The bytes of running totals whose slots mean `series`; only those series are stored."""
    used, slot = np.unique(kept.of_chain["slot"], return_inverse=True)
    columns = kept.of_chain | kept.of_run | {"slot": slot}
    packed = {name: columns[name].astype(form).tobytes() for name, form in (_OF_CHAIN | _OF_RUN).items()}
    packed["key"] = np.diff(kept.totals.key, prepend=0).astype("<i8").tobytes()
    packed["total"] = kept.totals.total.astype("<f8").tobytes()
    return _encoder.encode(_Wire(kept.floor_ms, [msgspec.Raw(series[i]) for i in used.tolist()], packed))


def decode(packed: bytes) -> Recalled:
    """The running totals of these bytes; raise `Rejected` for other bytes."""
    try:
        wire = _decoder.decode(packed)
        of_chain, of_run = (
            {name: np.frombuffer(wire.columns[name], form).copy() for name, form in forms.items()}
            for forms in (_OF_CHAIN, _OF_RUN)
        )
        key = np.frombuffer(wire.columns["key"], "<i8").cumsum()
        total = np.frombuffer(wire.columns["total"], "<f8").copy()
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise Rejected("bad_totals", str(error)) from error
    return Recalled(list(map(bytes, wire.series)), Kept(wire.floor_ms, of_chain, of_run, Totals(key, total)))
