"""Running totals as bytes: a MessagePack map of raw little-endian columns.

What is known of starts, with the totals since all were last kept whole, is a part of each snapshot; all are kept whole
beside it now and then. Keys are stored as differences, which are small and alike, so that compression leaves little of
them. The law: decode after encode is the identity, to the bit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import numpy as np

from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from shared.errors import Rejected

_OF_STREAM = {"slot": "<i8", "histogram": "?", "middle": "<f8", "begun_ms": "<i8"}
_OF_START = {"stream": "<i8", "start_ms": "<i8", "whole": "?", "first_ms": "<i8"}
_STORED = {"stream": "chain"}
"""Names of columns that are others in the bytes."""


class _Wire(msgspec.Struct):
    floor_ms: int = 0
    series: list[bytes] = []
    columns: dict[str, bytes] = {}
    continued: bool = False


class Recalled(NamedTuple):
    """Running totals with the series that their slots mean."""

    series: list[bytes]
    kept: Kept


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(series: Sequence[bytes], kept: Kept) -> bytes:
    """The bytes of running totals whose slots mean `series`; only those series are stored."""
    used, slot = np.unique(kept.of_stream["slot"], return_inverse=True)
    columns = kept.of_stream | kept.of_start | {"slot": slot}
    packed = {
        _STORED.get(name, name): columns[name].astype(form).tobytes()
        for name, form in (_OF_STREAM | _OF_START).items()
    }
    packed |= _packed(kept.totals)
    names = [series[i] for i in used.tolist()]
    return _encoder.encode(_Wire(kept.floor_ms, names, packed, kept.continued))


def decode(packed: bytes) -> Recalled:
    """The running totals of these bytes; raise `Rejected` for other bytes."""
    with _sound():
        wire = _decoder.decode(packed)
        of_stream, of_start = (
            {
                name: np.frombuffer(wire.columns[_STORED.get(name, name)], form).copy()
                for name, form in forms.items()
            }
            for forms in (_OF_STREAM, _OF_START)
        )
        kept = Kept(wire.floor_ms, of_stream, of_start, _totals(wire.columns), wire.continued)
        return Recalled(wire.series, kept)


def encode_whole(totals: Totals) -> bytes:
    """The bytes of totals alone."""
    return _encoder.encode(_Wire(columns=_packed(totals)))


def decode_whole(packed: bytes) -> Totals:
    """The totals of these bytes; raise `Rejected` for other bytes."""
    with _sound():
        return _totals(_decoder.decode(packed).columns)


def _packed(totals: Totals) -> dict[str, bytes]:
    return {
        "key": np.diff(totals.key, prepend=0).astype("<i8").tobytes(),
        "total": totals.total.astype("<f8").tobytes(),
    }


def _totals(columns: dict[str, bytes]) -> Totals:
    key = np.frombuffer(columns["key"], "<i8").cumsum()
    return Totals(key, np.frombuffer(columns["total"], "<f8").copy())


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise Rejected("bad_totals", str(error)) from error
