"""Running totals as columns of bytes, raw and little-endian.

What is known of starts, with the totals since all were last kept whole, is a part of each snapshot; all are kept whole
beside it now and then. Keys are stored as differences, which compress well. Version 4 has no stream ids, and does not
say which starts make up a sequence, nor which totals are contested. Invariant: `unpacked` after `packed` is the
identity, to the bit, from version 5 on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.totals.conversion import linked
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from shared.errors import Rejected
from shared.wire.stored.totals import RunningTotals
from shared.wire.versions import OLD

_OF_STREAM = {"slot": "<i8", "histogram": "?", "middle": "<f8", "begun_ms": "<i8"}
_OF_START = {"stream": "<i8", "start_ms": "<i8", "whole": "?", "first_ms": "<i8"}
_SINCE_5 = {"exact": "?", "sequence": "<i8", "contested_ms": "<i8"}
"""Columns that version 4 lacks: of streams the first, of starts the others. Their defaults are in `unpacked`."""
_STORED = {"stream": "chain"}
"""Names of columns that are others in the bytes."""
_ID = "stream_id"
"""Column of streams that is absent where no stream has an id."""


class Recalled(NamedTuple):
    """Running totals with the series that their slots mean."""

    series: list[bytes]
    kept: Kept


def packed(series: Sequence[bytes], kept: Kept, version: int = OLD) -> RunningTotals:
    """Running totals whose slots mean `series`; only those series are stored."""
    used, slot = np.unique(kept.of_stream["slot"], return_inverse=True)
    # Most sequences have one start: the difference is nothing but zeros.
    own = kept.of_start["sequence"] - np.arange(len(kept.of_start["sequence"]))
    columns = kept.of_stream | kept.of_start | {"slot": slot, "sequence": own}
    forms = _OF_STREAM | _OF_START | (_SINCE_5 if version > OLD else {})
    as_bytes = {_STORED.get(name, name): columns[name].astype(form).tobytes() for name, form in forms.items()}
    as_bytes |= _packed(kept.totals)
    if version > OLD and columns[_ID].any():
        as_bytes[_ID] = columns[_ID].astype("<u8").tobytes()
    names = [series[i] for i in used.tolist()]
    identified_ms = kept.identified_ms if version > OLD else None
    return RunningTotals(as_bytes, kept.floor_ms, names, kept.continued, identified_ms)


def unpacked(wire: RunningTotals) -> Recalled:
    """The running totals of these columns; raise `Rejected` for columns that do not fit."""
    with _sound():
        of_stream, of_start, since = (
            {
                name: np.frombuffer(wire.columns[_STORED.get(name, name)], form).copy()
                for name, form in forms.items()
            }
            for forms in (_OF_STREAM, _OF_START, _SINCE_5 if "exact" in wire.columns else {})
        )
        streams = len(of_stream["slot"])
        of_stream["exact"] = since.pop("exact", np.zeros(streams, np.bool_))
        of_stream[_ID] = np.frombuffer(wire.columns.get(_ID, bytes(8 * streams)), "<u8").copy()
        if since:
            of_start |= since | {"sequence": since["sequence"] + np.arange(len(since["sequence"]))}
        else:
            of_start = linked(of_start)
        kept = Kept(
            wire.floor_ms, of_stream, of_start, _totals(wire.columns), wire.continued, wire.identified_ms
        )
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
