"""The state of a partition as its checkpoint keeps it, between the fold's terms and those of `shared.wire.stored`.

The snapshot holds what is open and what changed since coarse windows and running totals were kept whole; these stand
beside it. Bytes that nobody can read end the process; those of another version stop the partition (`UnknownVersion`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from services.aggregator.adapters import totals
from services.aggregator.adapters.totals import Recalled
from services.aggregator.domain.totals.history import NOTHING as NO_TOTALS
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.work import RollupWork, SeriesRollups, with_used_series
from shared.errors import Misconfigured, Rejected
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS
from shared.stream.processor import Key
from shared.wire.rollups import WindowBatch
from shared.wire.stored import snapshot as wire
from shared.wire.versions import OLD

TOTALS = 0
"""Stands for running totals where else the resolution of a coarse window stands."""


class Opened(NamedTuple):
    """What a snapshot holds."""

    open: SeriesRollups | None
    amended: dict[int, SeriesRollups]
    totals: Recalled | None = None


NOTHING = Opened(None, {})
"""What no snapshot holds."""


def encode(key: Key, work: RollupWork, version: int = OLD) -> bytes | None:
    """The bytes of what a checkpoint leaves open; None if that is nothing."""
    if work.open is None and not work.amended and work.totals is None:
        return None
    kept = wire.Snapshot(
        None if work.open is None else _batch(key, work, BASE_MS, work.open),
        [_batch(key, work, resolution_ms, rows) for resolution_ms, rows in work.amended.items()],
        None if work.totals is None else totals.packed(work.series, work.totals, version),
    )
    return wire.encode(kept, version)


def whole(key: Key, work: RollupWork, version: int = OLD) -> Iterator[tuple[int, bytes]]:
    """The bytes of each coarse window that a checkpoint keeps whole, with its resolution; and of all running totals."""
    for resolution_ms, rows in work.whole.items():
        yield resolution_ms, wire.encode_window(_batch(key, work, resolution_ms, rows), version)
    if work.whole_totals is not None:
        yield TOTALS, wire.encode_totals(totals.packed_whole(work.whole_totals), version)


class Whole(NamedTuple):
    """What was kept whole."""

    windows: dict[int, SeriesRollups]
    """Coarse windows by resolution."""
    totals: Totals


def opened(key: Key, kept: Mapping[int, bytes]) -> Whole:
    """What was kept whole, by resolution. Raises `UnknownVersion` and `Misconfigured`."""
    with _readable(key):
        return Whole(
            {at: _named(wire.decode_window(packed))[1] for at, packed in kept.items() if at != TOTALS},
            totals.unpacked_whole(wire.decode_totals(kept[TOTALS])) if TOTALS in kept else NO_TOTALS,
        )


def rewritten(kept: Mapping[int, bytes], version: int) -> Iterator[tuple[int, bytes]]:
    """What was kept whole in another version, in this one: so that nothing older or newer is left of a fleet."""
    for resolution_ms, packed in kept.items():
        again = wire.rewritten_totals if resolution_ms == TOTALS else wire.rewritten_window
        if (changed := again(packed, version)) is not None:
            yield resolution_ms, changed


def decode(key: Key, snapshot: bytes) -> Opened:
    """What these bytes hold. Raises `UnknownVersion` and `Misconfigured`."""
    with _readable(key):
        kept = wire.decode(snapshot)
        return Opened(
            _named(kept.open)[1] if kept.open else None,
            dict(map(_named, kept.amended)),
            totals.unpacked(kept.totals) if kept.totals else None,
        )


@contextmanager
def _readable(key: Key) -> Iterator[None]:
    try:
        yield
    except Rejected as error:
        raise Misconfigured(
            f"the snapshot of {key.topic}[{key.partition}] is damaged ({error}): restore Postgres from a backup, or "
            "give up what is open: "
            f"`tidegauge partitions reset {key.topic} {key.partition} --to OFFSET --without-state`"
        ) from error


def _batch(key: Key, work: RollupWork, resolution_ms: int, rows: Rollups) -> WindowBatch:
    series, compacted = with_used_series(work.series, rows)
    return WindowBatch(key.partition, False, 0, 0, series, compacted, resolution_ms)


def _named(windows: WindowBatch) -> tuple[int, SeriesRollups]:
    return windows.resolution_ms, SeriesRollups(windows.series, windows.rollups)
