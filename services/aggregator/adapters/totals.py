"""Running totals as columns of bytes, raw and little-endian.

What is known of starts, with the totals since all were last kept whole, is a part of each snapshot; all are kept whole
beside it now and then. Keys are stored as differences, which are small and alike, so that compression leaves little of
them. Invariant: `unpacked` after `packed` is the identity, to the bit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from shared.errors import Rejected
from shared.wire.stored.totals import RunningTotals

_OF_STREAM = {"slot": "<i8", "histogram": "?", "middle": "<f8", "begun_ms": "<i8"}
_OF_START = {"stream": "<i8", "start_ms": "<i8", "whole": "?", "first_ms": "<i8"}
_STORED = {"stream": "chain"}
"""Names of columns that are others in the bytes."""


class Recalled(NamedTuple):
    """Running totals with the series that their slots mean."""

    series: list[bytes]
    kept: Kept


def packed(series: Sequence[bytes], kept: Kept) -> RunningTotals:
    """Running totals whose slots mean `series`; only those series are stored."""
    used, slot = np.unique(kept.of_stream["slot"], return_inverse=True)
    columns = kept.of_stream | kept.of_start | {"slot": slot}
    as_bytes = {
        _STORED.get(name, name): columns[name].astype(form).tobytes()
        for name, form in (_OF_STREAM | _OF_START).items()
    }
    as_bytes |= _packed(kept.totals)
    names = [series[i] for i in used.tolist()]
    return RunningTotals(as_bytes, kept.floor_ms, names, kept.continued)


def unpacked(wire: RunningTotals) -> Recalled:
    """The running totals of these columns; raise `Rejected` for columns that do not fit."""
    with _sound():
        of_stream, of_start = (
            {
                name: np.frombuffer(wire.columns[_STORED.get(name, name)], form).copy()
                for name, form in forms.items()
            }
            for forms in (_OF_STREAM, _OF_START)
        )
        kept = Kept(wire.floor_ms, of_stream, of_start, _totals(wire.columns), wire.continued)
        return Recalled(wire.series, kept)


def packed_whole(totals: Totals) -> RunningTotals:
    """Totals alone."""
    return RunningTotals(_packed(totals))


def unpacked_whole(wire: RunningTotals) -> Totals:
    """The totals of these columns; raise `Rejected` for columns that do not fit."""
    with _sound():
        return _totals(wire.columns)


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
    except (KeyError, ValueError) as error:
        raise Rejected("bad_totals", str(error)) from error
