"""Gives every series a small number, known again by its name and the bytes of its labels.

A series is validated, admitted by the series limiter, packed and routed once, on first sight. Invariant: a full
interner is never emptied but replaced, for points under way still point into it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from types import MappingProxyType
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from services.gateway.intake.columns.contract import SeriesTable
from services.gateway.intake.domain.series_limit import ActiveSeries, SeriesLimiter
from shared.model.labels import labels_of
from shared.model.series import Series, check_kind, check_metric, check_unit
from shared.wire import series as wire

Page = dict[tuple[str, bytes], int]
"""(name, fingerprint of the labels) -> number, for one tenant, kind and unit."""

_NO_PAGE: Mapping[tuple[str, bytes], int] = MappingProxyType({})

SEED = int.from_bytes(os.urandom(8))
"""Nobody outside can find two label texts with one fingerprint of 128 bits."""

SPELLINGS = 2
"""Spellings remembered of a tenant for each series it may have; more are looked at each time they come."""


def fingerprints(labels: Iterable[msgspec.Raw | bytes]) -> Iterator[bytes]:
    """128 bits for the bytes of each point's labels; half the price of copying and hashing the text itself."""
    return map(xxh3_128_digest, labels, repeat(SEED))


@dataclass(slots=True, eq=False)
class Spellings:
    """How a tenant spells its series, while its active series are the same."""

    tenant_id: int
    active_series: ActiveSeries
    generation: int
    """Those of the limiter when they were first remembered."""
    pages: dict[tuple[str, str], Page] = field(default_factory=dict)
    """One for each kind and unit."""
    count: int = 0
    overflows: set[int] = field(default_factory=set)
    """The numbers of overflow series among theirs."""
    tables: "WeakKeyDictionary[SeriesTable, NDArray[np.int32]]" = field(default_factory=WeakKeyDictionary)
    """The numbers of the series that protocols remember."""

    def page(self, kind: str, unit: str) -> Mapping[tuple[str, bytes], int]:
        """The numbers of the tenant's series of one kind and unit; made up ones leave no page behind."""
        return self.pages.get((kind, unit), _NO_PAGE)

    def remember(self, series: tuple[str, str], spelling: tuple[str, bytes], number: int) -> None:
        """This spelling of (kind, unit) means the series of this number."""
        self.pages.setdefault(series, {})[spelling] = number
        self.count += 1

    def numbers_of(self, table: SeriesTable) -> NDArray[np.int32]:
        """The number of each series of a table by its place, -1 where it is not known yet; to be filled in there."""
        numbers = self.tables.get(table)
        if numbers is None or len(numbers) < len(table.refs):
            grown = np.full(2 * len(table.refs), -1, np.int32)
            if numbers is not None:
                grown[: len(numbers)] = numbers
            numbers = self.tables[table] = grown
        return numbers

    def overflowed(self, numbers: NDArray[np.integer]) -> int:
        """How many of these are numbers of overflow series."""
        return sum(map(self.overflows.__contains__, numbers.tolist())) if self.overflows else 0


class Interner:
    """Numbers for at most `capacity` series and as many spellings."""

    def __init__(
        self,
        capacity: int,
        series_limiter: SeriesLimiter | None = None,
        id_of: wire.SeriesId = wire.series_id,
    ) -> None:
        self._capacity = capacity
        self._id_of = id_of
        self._active = series_limiter or SeriesLimiter()
        self._tenants: dict[int, Spellings] = {}
        self._numbers: dict[bytes, int] = {}
        self._count = 0
        self._partitions = np.empty(0, np.int16)
        self._partition_count = 0
        self.packed: list[bytes] = []
        """Canonical bytes of each series."""

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """Series or spellings, whichever are more."""
        return max(self._count, len(self.packed))

    def full(self) -> bool:
        """Whether it is time for a new one."""
        return self.size >= self._capacity

    def spellings(self, tenant_id: int, now_ms: int) -> Spellings:
        """What is remembered of a tenant; nothing at first, and when its series are to be judged anew."""
        active_series = self._active.at(tenant_id, now_ms)
        known = self._tenants.get(tenant_id)
        if known is None or known.generation != active_series.generation:
            self._count -= known.count if known else 0
            known = self._tenants[tenant_id] = Spellings(tenant_id, active_series, active_series.generation)
        return known

    def add(
        self,
        known: Spellings,
        series: tuple[str, str],
        spelling: tuple[str, msgspec.Raw | bytes],
        labels: Callable[[], Mapping[str, str]],
    ) -> int:
        """The number of a new spelling of a series, its name and the bytes of its labels; raise `Rejected`."""
        (kind, unit), (name, spelt_labels) = series, spelling
        check_metric(name)
        check_kind(kind)
        check_unit(unit)
        asked = Series(known.tenant_id, name, kind, unit, labels_of(labels()))
        placed = known.active_series.admit(asked, lambda one: self._id_of(wire.pack(one)))
        number = self._number(wire.pack(placed))
        if placed is not asked:
            known.overflows.add(number)
        if known.count < SPELLINGS * known.active_series.limit:
            known.remember(series, (name, next(fingerprints((spelt_labels,)))), number)
            self._count += 1
        return number

    def partitions(self, count: int) -> NDArray[np.int16]:
        """Partition of every number, when there are `count`."""
        known = len(self._partitions) if self._partition_count == count else 0
        if known < len(self.packed):
            new = [wire.partition_of(self._id_of(packed), count) for packed in self.packed[known:]]
            self._partitions = np.concatenate((self._partitions[:known], np.array(new, np.int16)))
            self._partition_count = count
        return self._partitions

    def _number(self, packed: bytes) -> int:
        number = self._numbers.get(packed)
        if number is None:
            number = self._numbers[packed] = len(self.packed)
            self.packed.append(packed)
        return number
