"""Gives every series a small number, known again by its name and the raw bytes of its labels.

A series is validated, packed and routed once, on first sight. The law: equal keys mean equal series; a full
interner is never emptied but replaced, for points under way still point into it.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import repeat

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from shared.errors import Rejected
from shared.model.labels import labels_of
from shared.model.series import Series, check_kind, check_metric, check_unit
from shared.wire import series as wire

Page = dict[tuple[str, bytes], int]
"""(name, fingerprint of the raw labels) -> number, for one tenant, kind and unit."""

SEED = int.from_bytes(os.urandom(8))
"""Nobody outside can find two label texts with one fingerprint of 128 bits."""

_labels = msgspec.json.Decoder(dict[str, str])


def fingerprints(raws: Iterable[msgspec.Raw]) -> Iterator[bytes]:
    """128 bits for each raw text of labels; half the price of copying and hashing the text itself."""
    return map(xxh3_128_digest, raws, repeat(SEED))


class Interner:
    """Numbers for at most `capacity` spellings of series."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._pages: dict[tuple[int, str, str], Page] = {}
        self._numbers: dict[bytes, int] = {}
        self._spellings = 0
        self._partitions = np.empty(0, np.int16)
        self._count = 0
        self.packed: list[bytes] = []
        """Canonical bytes of each series."""

    def __len__(self) -> int:
        return self._spellings

    def full(self) -> bool:
        """Whether it is time for a new one."""
        return self._spellings >= self._capacity

    def page(self, tenant_id: int, kind: str, unit: str) -> Page:
        """The numbers of a tenant's series of one kind and unit."""
        return self._pages.setdefault((tenant_id, kind, unit), {})

    def add(self, series: tuple[int, str, str], name: str, raw: msgspec.Raw) -> int:
        """The number of a new spelling of (tenant, kind, unit), name and raw labels; raise `Rejected`."""
        tenant_id, kind, unit = series
        check_metric(name)
        check_kind(kind)
        check_unit(unit)
        packed = wire.pack(Series(tenant_id, name, kind, unit, labels_of(_mapping(raw))))
        number = self._numbers.get(packed)
        if number is None:
            number = self._numbers[packed] = len(self.packed)
            self.packed.append(packed)
        self.page(tenant_id, kind, unit)[name, next(fingerprints((raw,)))] = number
        self._spellings += 1
        return number

    def partitions(self, count: int) -> NDArray[np.int16]:
        """Partition of every number, when there are `count`."""
        known = len(self._partitions) if self._count == count else 0
        if known < len(self.packed):
            new = [wire.partition_of(wire.series_id(packed), count) for packed in self.packed[known:]]
            self._partitions = np.concatenate((self._partitions[:known], np.array(new, np.int16)))
            self._count = count
        return self._partitions


def _mapping(raw: msgspec.Raw) -> dict[str, str]:
    if not bytes(raw):
        return {}
    try:
        return _labels.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("invalid_labels", "labels: must be an object of strings, in valid UTF-8") from error
