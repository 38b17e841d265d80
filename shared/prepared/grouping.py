"""Puts rows of series together by label sets, many at once. Times are milliseconds UTC; pure.

A slot numbers a series, a group number the series of one label set that agree in its labels. Invariant: rows are added
in the order in which they are given, and groups come out ascending by key and bytes; so equal rows in equal order make
equal groups to the last bit, whatever the numbers of slots and groups are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.labels import Labels
from shared.model.rollup import Ints, Rollups, merged
from shared.model.series import Series
from shared.prepared.label_sets import LabelSets, text_of

NO_GROUP = -1
"""Stands where a series has no group."""

_DENSE = 1 << 22
"""Cells up to which they are numbered without sorting."""


class GroupKey(NamedTuple):
    """What the groups of one row have in common, beside its window and its partition."""

    tenant_id: int
    metric: str
    label_set: str


class PreparedRow(NamedTuple):
    """All groups of one window and key."""

    start_ms: int
    key: GroupKey
    series: list[bytes]
    """The groups as series that bear the labels of the set alone, ascending."""
    rollups: Rollups
    """Row i is that of group i."""


@dataclass(slots=True, eq=False)
class PreparedRows:
    """Rows end to end, ascending by window and key."""

    keys: list[GroupKey]
    """By row."""
    at: Ints
    """Where the groups of each row begin, and where those of the last one end."""
    series: list[bytes]
    """By group."""
    rollups: Rollups

    def __iter__(self) -> Iterator[PreparedRow]:
        for key, (begin, end) in zip(self.keys, pairwise(self.at.tolist()), strict=True):
            part = replace(self.rollups.span(begin, end), slot=np.arange(end - begin))
            yield PreparedRow(int(self.rollups.start_ms[begin]), key, self.series[begin:end], part)


class SeriesCodec(NamedTuple):
    """The bytes of a series."""

    unpack: Callable[[bytes], Series]
    pack: Callable[[Series], bytes]


class Groups:
    """Groups by number, as they were met."""

    def __init__(self, sets: LabelSets, codec: SeriesCodec) -> None:
        self.sets = sets
        self.keys: list[GroupKey] = []
        self.series: list[bytes] = []
        """By group."""
        self.key_of: list[int] = []
        """By group, the number of its key."""
        self._codec = codec
        self._keys_of: dict[tuple[int, str], list[tuple[int, frozenset[str]]]] = {}
        self._of_labels: dict[tuple[int, str, str, Labels], int] = {}
        self._keys: dict[GroupKey, int] = {}
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._order: Ints = np.zeros(0, np.int64)
        self._packed: NDArray[np.object_] = np.zeros(0, np.object_)

    def __len__(self) -> int:
        return len(self.series)

    def of(self, packed: bytes) -> list[int]:
        """The groups of a series, one for each label set of its metric."""
        one = self._codec.unpack(packed)
        owner = one.tenant_id, one.metric
        keys = self._keys_of.get(owner)
        if keys is None:
            sets = self.sets.of(one.metric)
            keys = [(self._key(GroupKey(*owner, text_of(each))), frozenset(each)) for each in sets]
            self._keys_of[owner] = keys
        return [self._of(one, key, names) for key, names in keys]

    def _of(self, one: Series, key: int, names: frozenset[str]) -> int:
        labels = tuple([pair for pair in one.labels if pair[0] in names])
        known = key, one.kind, one.unit, labels
        number = self._of_labels.get(known)
        if number is None:
            group = Series(one.tenant_id, one.metric, one.kind, one.unit, labels)
            number = self._of_labels[known] = self.number(self.keys[key], self._codec.pack(group))
        return number

    def number(self, key: GroupKey, packed: bytes) -> int:
        """The number of a group."""
        at = self._key(key)
        number = self._numbers.get((at, packed))
        if number is None:
            number = self._numbers[at, packed] = len(self.series)
            self.series.append(packed)
            self.key_of.append(at)
        return number

    def _key(self, key: GroupKey) -> int:
        at = self._keys.setdefault(key, len(self.keys))
        if at == len(self.keys):
            self.keys.append(key)
        return at

    def kept(self, numbers: Sequence[int]) -> "Groups":
        """These groups alone: number `numbers[i]` becomes i."""
        others = Groups(self.sets, self._codec)
        for number in numbers:
            others.number(self.keys[self.key_of[number]], self.series[number])
        return others

    def packed(self) -> NDArray[np.object_]:
        """The bytes of each group."""
        if len(self._packed) < len(self.series):
            self._packed = np.array(self.series, np.object_)
        return self._packed

    def order(self) -> Ints:
        """All numbers, ascending by key and bytes."""
        if len(self._order) < len(self.series):
            by_key = {
                at: place for place, at in enumerate(sorted(range(len(self.keys)), key=self.keys.__getitem__))
            }
            # What was sorted before stays together, which makes sorting it again quick.
            numbers = [*self._order.tolist(), *range(len(self._order), len(self.series))]
            numbers.sort(key=lambda number: (by_key[self.key_of[number]], self.series[number]))
            self._order = np.array(numbers, np.int64)
        return self._order


class Grouping(NamedTuple):
    """The groups of some series: column k has group k of each, or `NO_GROUP`."""

    groups: Groups
    of_slot: NDArray[np.int32]
    """(series, sets)"""

    def extended(self, packed: bytes) -> "Grouping":
        """The same with one series more."""
        return self._replace(of_slot=_stacked(self.of_slot, [self.groups.of(packed)]))


class SeriesGroups:
    """Knows the groups of the series of a growing list, so that each is looked at once."""

    def __init__(self, sets: LabelSets, codec: SeriesCodec) -> None:
        self._groups = Groups(sets, codec)
        self._series: list[bytes] = []
        self._of_slot = np.zeros((0, 0), np.int32)

    def of(self, series: list[bytes]) -> Grouping:
        """The groups of these series: those of the list that was given before, and more, or of another list."""
        if series is not self._series:
            self._renumber(series)
        if len(series) > len(self._of_slot):
            rows = list(map(self._groups.of, series[len(self._of_slot) :]))
            self._of_slot = _stacked(self._of_slot, rows)
        return Grouping(self._groups, self._of_slot)

    def _renumber(self, series: list[bytes]) -> None:
        """Go on with another list; groups that none of its series has are forgotten."""
        known = {packed: slot for slot, packed in enumerate(self._series[: len(self._of_slot)])}
        slots = [known.get(packed, NO_GROUP) for packed in series]
        begun = next((at for at, slot in enumerate(slots) if slot == NO_GROUP), len(slots))
        kept = self._of_slot[slots[:begun]]
        used = np.unique(kept[kept != NO_GROUP])
        self._groups = self._groups.kept(used.tolist())
        self._of_slot = np.where(kept == NO_GROUP, NO_GROUP, np.searchsorted(used, kept)).astype(np.int32)
        self._series = series


def _stacked(of_slot: NDArray[np.int32], rows: list[list[int]]) -> NDArray[np.int32]:
    width = max(of_slot.shape[1], *map(len, rows))
    stacked = np.full((len(of_slot) + len(rows), width), NO_GROUP, np.int32)
    stacked[: len(of_slot), : of_slot.shape[1]] = of_slot
    for at, row in enumerate(rows, len(of_slot)):
        stacked[at, : len(row)] = row
    return stacked


def grouped(grouping: Grouping, rows: Rollups) -> Iterator[PreparedRows]:
    """The groups of rows of series, some sets after others; no two rows are of one series and window."""
    for column in grouping.of_slot.T:
        group = column[rows.slot]
        having = np.flatnonzero(group != NO_GROUP)
        if not len(having):
            continue
        whole = len(having) == len(group)
        yield put_together(grouping.groups, rows if whole else rows.take(having), group[having])


def put_together(groups: Groups, rows: Rollups, group: Ints) -> PreparedRows:
    """Rows of the groups of these numbers, at least one."""
    starts, window = np.unique(rows.start_ms, return_inverse=True)
    code = window * len(groups) + ranks(groups)[group]
    codes, cell = _numbered(code, len(starts) * len(groups))
    made = merged(rows, cell, len(codes))
    return divided(groups, replace(made, slot=codes % len(groups)))


def _numbered(code: Ints, limit: int) -> tuple[Ints, Ints]:
    """The distinct codes, ascending, and which of them each code is; all are below the limit."""
    if limit > _DENSE:
        codes, cell = np.unique(code, return_inverse=True)
        return codes, cell
    there = np.zeros(limit, np.bool_)
    there[code] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[code]


def ranks(groups: Groups) -> Ints:
    """By group, its place in the order of keys and bytes."""
    found = np.empty(len(groups), np.int64)
    found[groups.order()] = np.arange(len(groups))
    return found


def divided(groups: Groups, rows: Rollups) -> PreparedRows:
    """Rows of groups, ascending by start and by the rank that stands in the place of their slot."""
    number = groups.order()[rows.slot]
    key = np.array(groups.key_of, np.int64)[number]
    changes = (np.diff(rows.start_ms) != 0) | (np.diff(key) != 0)
    at = np.concatenate(([0], np.flatnonzero(changes) + 1, [len(rows)]))
    keys = [groups.keys[one] for one in key[at[:-1]].tolist()]
    return PreparedRows(keys, at, groups.packed()[number].tolist(), rows)
