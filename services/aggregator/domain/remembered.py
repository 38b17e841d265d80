"""A large set of ids with a body hash each, numbered in the order they came: a dict for the newest, columns for the rest.

An id is two words of 64 bits; columns are sorted by the second, which is as good as random. The law: 32 bytes an id
beyond the newest, and a look-up never walks over ids in Python.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEWEST = 16_384
"""Ids that the dict holds before they move to the columns, which takes some milliseconds."""

Words = NDArray[np.uint64]


class _Columns(NamedTuple):
    """Ids ascending by their second word."""

    second: Words
    first: Words
    body: Words
    number: NDArray[np.int64]


def words_of(ids: bytes) -> Words:
    """The ids, 16 bytes each, as rows of two words."""
    return np.frombuffer(ids, "<u8").reshape(-1, 2)


class Remembered:
    """Ids by number; those below `oldest` are forgotten."""

    def __init__(self, words: Words | None = None, body: Words | None = None) -> None:
        self._newest: dict[bytes, int] = {}
        self._newest_ids: list[bytes] = []
        self._newest_bodies: list[int] = []
        self._columns = _columns(words_of(b""), np.zeros(0, np.uint64), 0)
        self.count = 0
        """The number that the next id gets."""
        self.oldest = 0
        """The lowest number that is remembered."""
        if words is not None and body is not None:
            self._columns, self.count = _columns(words, body, 0), len(words)

    def any_known(self, ids: list[bytes], oldest: int) -> bool:
        """Whether one of them was added under the number `oldest` or a later one."""
        if not self._newest.keys().isdisjoint(ids):
            return any(self._newest.get(one, -1) >= oldest for one in ids) or self._any_kept(ids, oldest)
        return self._any_kept(ids, oldest)

    def _any_kept(self, ids: list[bytes], oldest: int) -> bool:
        if not len(self._columns.second):
            return False
        words = words_of(b"".join(ids))
        at = self._columns.second.searchsorted(words[:, 1])
        hit = self._columns.second.take(at, mode="clip") == words[:, 1]
        if not hit.any():
            return False
        at = at[hit]
        return bool(
            ((self._columns.first[at] == words[hit, 0]) & (self._columns.number[at] >= oldest)).any()
        )

    def body_of(self, one: bytes, oldest: int) -> int | None:
        """The body that the id was added with under `oldest` or a later number, None if it was not."""
        number = self._newest.get(one, -1)
        if number >= oldest:
            return self._newest_bodies[number - self.count]
        first, second = words_of(one)[0]
        at = int(self._columns.second.searchsorted(second))
        if at == len(self._columns.second) or self._columns.second[at] != second:
            return None
        if self._columns.first[at] != first or self._columns.number[at] < oldest:
            return None
        return int(self._columns.body[at])

    def add(self, ids: Sequence[bytes], bodies: Sequence[int]) -> None:
        """Add ids that are not remembered, each another."""
        self._newest.update(zip(ids, range(self.count, self.count + len(ids)), strict=True))
        self._newest_ids.extend(ids)
        self._newest_bodies.extend(bodies)
        self.count += len(ids)

    def forget(self, oldest: int) -> None:
        """Forget what has a lower number; the memory is freed when the newest ids move to the columns."""
        self.oldest = oldest
        if len(self._newest_ids) >= NEWEST:
            words = words_of(b"".join(self._newest_ids))
            body = np.array(self._newest_bodies, np.uint64)
            new = _columns(words, body, self.count - len(words))
            self._columns = _merged(_since(self._columns, oldest), _since(new, oldest))
            self._newest, self._newest_ids, self._newest_bodies = {}, [], []


def _columns(words: Words, body: Words, number: int) -> _Columns:
    """The columns of ids whose numbers begin with `number`."""
    order = np.argsort(words[:, 1])
    return _Columns(words[order, 1], words[order, 0], body[order], order + number)


def _since(columns: _Columns, oldest: int) -> _Columns:
    remembered = columns.number >= oldest
    return columns if remembered.all() else _Columns(*(column[remembered] for column in columns))


def _merged(old: _Columns, new: _Columns) -> _Columns:
    at = np.searchsorted(old.second, new.second)
    return _Columns(*(np.insert(column, at, added) for column, added in zip(old, new, strict=True)))
