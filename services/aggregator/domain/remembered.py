"""A large set of ids with the hash of a body each, numbered as they came: a dict for the newest, columns for the rest.

An id is two words of 64 bits. Columns are sorted by the second word, which is practically random, and a sieve of its
highest bits avoids most searches. An id beyond the newest takes about 40 bytes, and a look-up in the columns has no
loop in Python.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

NEWEST = 16_384
"""Ids that the dict holds before they move to the columns, which takes some milliseconds."""

_MIN_BITS = 10
_WORD_BITS = 64

Words: TypeAlias = NDArray[np.uint64]
"""(n, 2) ids, or (n,) one of their words, or of hashes."""


class _Columns(NamedTuple):
    """Ids ascending by their second word."""

    second: Words
    first: Words
    body: Words
    number: NDArray[np.int64]


NONE: Words = np.zeros(0, np.uint64)
"""No hashes."""


def words_of(ids: bytes) -> Words:
    """The ids, 16 bytes each, as rows of two words."""
    return np.frombuffer(ids, "<u8").reshape(-1, 2)


class Remembered:
    """Ids by number; those below `oldest` are forgotten."""

    def __init__(self, words: Words, body: Words, newest: int = NEWEST) -> None:
        self.count = len(words)
        """The number that the next id gets."""
        self.oldest = 0
        """The lowest number that is remembered."""
        self._most = newest
        self._clear()
        self._keep(_columns(words, body, 0))

    def _clear(self) -> None:
        self._newest: dict[bytes, int] = {}
        self._newest_ids: list[bytes] = []
        self._newest_bodies: list[int] = []

    def _keep(self, columns: _Columns) -> None:
        """Take these columns; a quarter of the sieve at most is true."""
        bits = max(_MIN_BITS, (4 * len(columns.second)).bit_length())
        self._columns = columns
        self._shift = np.uint64(_WORD_BITS - bits)
        self._sieve = np.zeros(1 << bits, np.bool_)
        self._sieve[columns.second >> self._shift] = True

    def known(self, ids: Sequence[bytes], oldest: int) -> dict[bytes, int]:
        """Those that were added under the number `oldest` or a later one, with their bodies."""
        found: dict[bytes, int] = {}
        if len(self._columns.second):
            self._find(ids, oldest, found)
        if not self._newest.keys().isdisjoint(ids):
            for one in ids:
                number = self._newest.get(one, -1)
                if number >= oldest:
                    found[one] = self._newest_bodies[number - self.count]
        return found

    def _find(self, ids: Sequence[bytes], oldest: int, found: dict[bytes, int]) -> None:
        words = words_of(b"".join(ids))
        passed = np.flatnonzero(self._sieve.take((words[:, 1] >> self._shift).astype(np.int64)))
        first, second = words[passed].T
        columns = self._columns
        at = columns.second.searchsorted(second)
        hit = (columns.second.take(at, mode="clip") == second) & (
            columns.first.take(at, mode="clip") == first
        )
        hit &= columns.number.take(at, mode="clip") >= oldest
        for place, body in zip(passed[hit].tolist(), columns.body[at[hit]].tolist(), strict=True):
            found[ids[place]] = body

    def add(self, ids: Sequence[bytes], bodies: Sequence[int]) -> None:
        """Add ids that are not remembered, each another."""
        self._newest.update(zip(ids, range(self.count, self.count + len(ids)), strict=True))
        self._newest_ids.extend(ids)
        self._newest_bodies.extend(bodies)
        self.count += len(ids)

    def forget(self, oldest: int) -> None:
        """Forget what has a lower number; its memory is freed when the newest move to the columns."""
        self.oldest = oldest
        if len(self._newest_ids) >= self._most:
            words = words_of(b"".join(self._newest_ids))
            new = _columns(words, np.array(self._newest_bodies, np.uint64), self.count - len(words))
            self._keep(_merged(_since(self._columns, oldest), _since(new, oldest)))
            self._clear()


def _columns(words: Words, body: Words, number: int) -> _Columns:
    """The columns of ids whose numbers begin with `number`."""
    order = np.argsort(words[:, 1])
    return _Columns(words[order, 1], words[order, 0], body[order], order + number)


def _since(columns: _Columns, oldest: int) -> _Columns:
    remembered = columns.number >= oldest
    if remembered.all():
        return columns
    return _Columns(
        columns.second[remembered],
        columns.first[remembered],
        columns.body[remembered],
        columns.number[remembered],
    )


def _merged(old: _Columns, new: _Columns) -> _Columns:
    at = np.searchsorted(old.second, new.second) + np.arange(len(new.second))
    others = np.ones(len(old.second) + len(new.second), np.bool_)
    others[at] = False
    return _Columns(*(_placed(others, at, *pair) for pair in zip(old, new, strict=True)))


def _placed(
    others: NDArray[np.bool_], at: NDArray[np.integer], old: NDArray[Any], new: NDArray[Any]
) -> NDArray[Any]:
    column = np.empty(len(others), old.dtype)
    column[others], column[at] = old, new
    return column
