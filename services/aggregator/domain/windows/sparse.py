"""Sparse columns of many cells: sketches (bucket -> weight) and distinct counts (register -> rank).

Each is one sorted array of keys made of cell and entry. Invariant: weights are summed one by one in the order of the
log, so the division of the log into batches changes nothing. Ranks are maxima, for which the order does not matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model import distinct, sketch

Index = NDArray[np.integer]
Floats = NDArray[np.float64]
Keys = NDArray[np.int64]

PENDING = 1 << 16
"""Entries that are kept unsorted; sorting many at once is cheaper."""

_BUCKET_BITS = 16
_BUCKET_BIAS = 1 << 15

_REGISTER_BITS = 12
_RANK_BITS = 6

_SMALL_BITS = 22
_SMALL = 1 << _SMALL_BITS
"""Whole weights below it fit beside their key into 63 bits: 24 of a cell, 16 of a bucket."""


class SketchRows(NamedTuple):
    """Sketches of many cells: cell i has `bucket[at[i]:at[i + 1]]` and the same span of `weight`."""

    at: NDArray[np.int64]
    bucket: NDArray[np.int16]
    weight: Floats


class Sketches:
    """The sketches of cells under construction.

    As long as all weights are whole and small, an entry is one number: its key, and its weight in the low bits.
    """

    __slots__ = ("_keys", "_new", "_packed", "_pending", "_weights")

    def __init__(self) -> None:
        self._packed: Keys | None = np.zeros(0, np.int64)
        self._keys: Keys = np.zeros(0, np.int64)
        self._weights: Floats = np.zeros(0)
        self._new: list[tuple[Keys, Floats | None]] = []
        self._pending = 0

    def add(self, cell: Index, bucket: NDArray[np.int16], weight: Floats | None) -> None:
        """Add weight i (None: 1 each) to a bucket of cell i, in order."""
        if not len(cell):
            return
        if weight is not None and self._packed is not None and not sketch.are_small(weight, _SMALL):
            self._unpack()
        self._new.append((_bucket_keys(cell, bucket), weight))
        self._pending += len(cell)
        if self._pending >= max(PENDING, len(self._keys if self._packed is None else self._packed)):
            self._compact()

    def merge(self, cells: Index, rows: SketchRows) -> None:
        """Add row i to cell i, in order."""
        self.add(np.repeat(cells, np.diff(rows.at)), rows.bucket, rows.weight)

    def _compact(self) -> None:
        if not self._new:
            return
        if self._packed is None:
            self._keys, self._weights = _summed(self._keys, self._weights, self._new)
        else:
            keys, weights = _counted(self._packed, self._new)
            if weights.max() < _SMALL:
                self._packed = keys << _SMALL_BITS | weights
            else:
                self._packed, self._keys, self._weights = None, keys, weights.astype(np.float64)
        self._new, self._pending = [], 0

    def _unpack(self) -> None:
        """From now on weights are floats beside their keys."""
        self._compact()
        if self._packed is not None:
            self._keys, self._weights = _unpacked(self._packed)
            self._packed = None

    def rows(self, cells: Index) -> SketchRows:
        """The sketches of these cells, which are ascending, without the buckets that retractions have emptied."""
        self._compact()
        if self._packed is None:
            at, spans = _spans(self._keys, cells, _BUCKET_BITS)
            keys, weights = self._keys[spans], self._weights[spans]
        else:
            at, spans = _spans(self._packed, cells, _BUCKET_BITS + _SMALL_BITS)
            keys, weights = _unpacked(self._packed[spans])
        if len(weights) and not weights.all():
            kept = weights != 0
            at = np.concatenate(([0], np.cumsum(kept)))[at]
            keys, weights = keys[kept], weights[kept]
        bucket = (keys & ((1 << _BUCKET_BITS) - 1)) - _BUCKET_BIAS
        return SketchRows(at, bucket.astype(np.int16), weights)


def _bucket_keys(cell: Index, bucket: NDArray[np.int16]) -> Keys:
    keys = cell.astype(np.int64)
    keys <<= _BUCKET_BITS
    keys += bucket
    keys += _BUCKET_BIAS
    return keys


def _spans(keys: Keys, cells: Index, bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each cell's entries begin when they stand end to end, and their places in `keys`."""
    low = np.asarray(cells, np.int64) << bits
    begin = np.searchsorted(keys, low)
    sizes = np.searchsorted(keys, low + (1 << bits)) - begin
    at = np.concatenate(([0], np.cumsum(sizes)))
    return at, np.repeat(begin - at[:-1], sizes) + np.arange(at[-1])


def _unpacked(packed: Keys) -> tuple[Keys, Floats]:
    """Keys and weights."""
    return packed >> _SMALL_BITS, (packed & ((1 << _SMALL_BITS) - 1)).astype(np.float64)


def _counted(packed: Keys, new: Sequence[tuple[Keys, Floats | None]]) -> tuple[Keys, Keys]:
    """Sum small weights of equal keys: sorted together in one number, which is the quickest way. Keys and weights."""
    packed = np.concatenate((packed, *(keys << _SMALL_BITS | _whole(weights) for keys, weights in new)))
    packed.sort()
    keys = packed >> _SMALL_BITS
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    packed &= (1 << _SMALL_BITS) - 1
    return keys[first], np.add.reduceat(packed, first)


def _whole(weights: Floats | None) -> Keys | int:
    return 1 if weights is None else weights.astype(np.int64)


def _summed(keys: Keys, weights: Floats, new: Sequence[tuple[Keys, Floats | None]]) -> tuple[Keys, Floats]:
    """Sum equal keys in order: sums of fractions come out as if added one by one."""
    added = [np.ones(len(more)) if each is None else each for more, each in new]
    found, at = np.unique(np.concatenate((keys, *(more for more, _ in new))), return_inverse=True)
    sums = np.bincount(at, np.concatenate((weights, *added)), len(found))
    return found, sums.astype(np.float64, copy=False)


class DistinctRows(NamedTuple):
    """Distinct counts of many cells: cell i has `register[at[i]:at[i + 1]]` and the same span of `rank`."""

    at: NDArray[np.int64]
    register: NDArray[np.uint16]
    rank: NDArray[np.uint8]


class Distincts:
    """The distinct counts of cells under construction."""

    __slots__ = ("_new", "_packed", "_pending")

    def __init__(self) -> None:
        self._packed: Keys = np.zeros(0, np.int64)
        self._new: list[Keys] = []
        self._pending = 0

    def add(self, cell: Index, hashes: NDArray[np.uint64]) -> None:
        """Count string i in cell i; a hash of 0 is none."""
        given = hashes != 0
        self._take(cell[given], *distinct.entries_of(hashes[given]))

    def merge(self, cells: Index, rows: DistinctRows) -> None:
        """Add row i to cell i."""
        self._take(np.repeat(cells, np.diff(rows.at)), rows.register, rows.rank)

    def _take(self, cell: Index, register: NDArray[np.uint16], rank: NDArray[np.uint8]) -> None:
        if not len(cell):
            return
        keys = cell.astype(np.int64) << _REGISTER_BITS | register
        self._new.append(keys << _RANK_BITS | rank)
        self._pending += len(keys)
        if self._pending >= max(PENDING, len(self._packed)):
            self._compact()

    def _compact(self) -> None:
        if not self._new:
            return
        packed = np.unique(np.concatenate((self._packed, *self._new)))
        keys = packed >> _RANK_BITS
        self._packed = packed[np.concatenate((keys[1:] != keys[:-1], [True]))]
        self._new, self._pending = [], 0

    def rows(self, cells: Index) -> DistinctRows:
        """The distinct counts of these cells, which are ascending."""
        self._compact()
        if not len(self._packed):
            return DistinctRows(
                np.zeros(len(cells) + 1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.uint8)
            )
        at, spans = _spans(self._packed, cells, _REGISTER_BITS + _RANK_BITS)
        packed = self._packed[spans]
        register = packed >> _RANK_BITS & ((1 << _REGISTER_BITS) - 1)
        return DistinctRows(
            at, register.astype(np.uint16), (packed & ((1 << _RANK_BITS) - 1)).astype(np.uint8)
        )
