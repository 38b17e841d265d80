"""What is remembered of each tenant: the types of its families, and what the labels of its series mean.

Remote write 1.0 says the types of families apart from their series, once a minute. A type that changes makes all
series of the tenant be read anew. What is forgotten is read again; where types are forgotten, suffixes tell kinds until
the types are said again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cachetools import LRUCache

from services.gateway.intake.columns.contract import SeriesRef, SeriesTable
from services.gateway.intake.protocols.remote_write.map import UNKNOWN, SeriesText
from shared.model.series import MAX_METRIC_BYTES

MAX_TENANTS = 100
"""Tenants that are remembered."""

MAX_FAMILIES = 5_000
"""Families of a tenant whose types are remembered; of more, the first."""

MAX_SERIES = 100_000
"""Series of all tenants whose labels are remembered; a tenant may have half of them."""


@dataclass(slots=True, eq=False)
class TenantMemory:
    """What is remembered of a tenant."""

    families: dict[str, int] = field(default_factory=dict)
    table: SeriesTable = field(default_factory=SeriesTable)
    """Its series; another one when they are forgotten."""
    texts: list[SeriesText] = field(default_factory=list)
    """What the labels of each of them mean."""
    series: dict[bytes, int] = field(default_factory=dict)
    """Their places, by the bytes of the labels as version 1.0 spells them: whole fields of labels and nothing else."""
    by_symbols: dict[bytes, int] = field(default_factory=dict)
    """Their places, by the symbols that version 2.0 names."""

    @property
    def size(self) -> int:
        """How many series are remembered."""
        return len(self.series) + len(self.by_symbols)

    def forget(self) -> int:
        """Forget all series; return how many they were."""
        forgotten = self.size
        self.series.clear()
        self.by_symbols.clear()
        self.table, self.texts = SeriesTable(), []
        return forgotten

    def text_at(self, place: int | None) -> SeriesText | None:
        """The series at a place."""
        return None if place is None else self.texts[place]

    def add(self, text: SeriesText) -> int:
        """Give a series the next place."""
        kind, unit = text.kind
        self.texts.append(text)
        return self.table.add(SeriesRef(text.name, kind, unit, text.labels)).place

    def type_of(self, family: str) -> int:
        """The type of a family, `UNKNOWN` where none was said."""
        return self.families.get(family, UNKNOWN)

    def learn(self, said: Iterable[tuple[str, int]]) -> int:
        """Remember types of families; return how many series are forgotten for it."""
        changed = False
        for family, kind in said:
            if kind != UNKNOWN and self.families.get(family) != kind and self._has_room(family):
                self.families[family] = kind
                changed = True
        return self.forget() if changed else 0

    def _has_room(self, family: str) -> bool:
        return family in self.families or (
            len(self.families) < MAX_FAMILIES and len(family) <= MAX_METRIC_BYTES
        )


class SeriesMemory:
    """The memories of all tenants."""

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        self._max_series = max_series
        self._tenants: LRUCache[int, TenantMemory] = LRUCache(MAX_TENANTS)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def of(self, tenant_id: int) -> TenantMemory:
        """What is remembered of a tenant, nothing at first."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            if len(self._tenants) == MAX_TENANTS:
                self._count -= self._tenants.popitem()[1].size
            tenant = self._tenants[tenant_id] = TenantMemory()
        return tenant

    def learn(self, tenant: TenantMemory, said: Iterable[tuple[str, int]]) -> None:
        """Remember types of families that a tenant said."""
        self._count -= tenant.learn(said)

    def remember(self, tenant: TenantMemory, known: dict[bytes, int], key: bytes, text: SeriesText) -> None:
        """Remember a series in one of the tenant's memories; one that may not be never is."""
        if text.refusal is None:
            self._make_room(tenant)
            known[key] = tenant.add(text)
            self._count += 1

    def _make_room(self, tenant: TenantMemory) -> None:
        if tenant.size >= self._max_series // 2:
            self._count -= tenant.forget()
        while self._count >= self._max_series:
            self._count -= max(self._tenants.values(), key=lambda each: each.size).forget()
