"""What is remembered of a tenant's attributes: the labels and the stream that bytes seen before stand for.

A client sends the same attributes with each export, so that they are parsed once. Beyond the limit the tenant with the
most is forgotten first. Invariant: what is remembered changes no answer.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_128_digest

from services.gateway.intake.columns.contract import SeriesRef, SeriesTable
from services.gateway.intake.columns.optional_columns import stream_id
from services.gateway.intake.protocols.otlp.map import Attributes, identity_of, text_of
from shared.errors import Rejected

MAX_REMEMBERED_BYTES = 64 << 20
"""Bytes of all that is remembered of all tenants."""

MAX_ATTRIBUTES_BYTES = 64 * 1024
"""Longest attributes of a point: those of 30 labels need less in any spelling."""

MAX_SPELLING_BYTES = 4096
"""Longest attributes that are remembered."""

ENTRY_BYTES = 400
"""What an entry costs beside its own bytes."""


TOTALS = frozenset({"cumulative", "histogram"})
"""Our kinds of running totals: they alone have streams."""


class Metric(NamedTuple):
    """What the points of a metric share."""

    name: str
    kind: str
    """Ours."""
    unit: str
    data: str
    """What it holds: the same name may come as a sum and as a histogram."""


class Identity(NamedTuple):
    """What the attributes of a point stand for, within a resource and a scope."""

    labels: bytes
    """As MessagePack, sorted by name: equal labels are equal bytes."""
    stream: int
    """64 bits of all attributes with their types, those of resource and scope included; never 0."""


@dataclass(slots=True, eq=False)
class Origin:
    """A resource and a scope that points come from."""

    labels: dict[str, str]
    """The labels that all its points bear."""
    digest: bytes
    """16 bytes that tell it from all others."""
    memory: "TenantMemory"
    known: dict[bytes, Identity] = field(default_factory=dict)
    """By the bytes of attributes, as they came."""
    pages: dict[Hashable, "Page"] = field(default_factory=dict)
    """By what a dialect says of a metric."""

    def identity_of(self, spelling: bytes, read: Callable[[bytes], Attributes]) -> Identity:
        """What attributes of these bytes stand for; raise `Rejected`."""
        found = self.known.get(spelling)
        if found is None:
            if len(spelling) > MAX_ATTRIBUTES_BYTES:
                raise Rejected("invalid_attributes", f"attributes: at most {MAX_ATTRIBUTES_BYTES} bytes")
            found = self._of(read(spelling))
            if len(spelling) <= MAX_SPELLING_BYTES:
                self.known[spelling] = found
                self.memory.add(len(spelling) + len(found.labels))
        return found

    def page(self, said: Hashable, metric: Metric) -> "Page":
        """The page of a metric of which a dialect says so; no two dialects say the same."""
        found = self.pages.get(said)
        if found is None:
            found = Page(self, metric)
            if len(metric.name) + len(metric.unit) <= MAX_SPELLING_BYTES:
                self.pages[said] = found
                self.memory.add(2 * len(metric.name))
        return found

    def _of(self, attributes: Attributes) -> Identity:
        labels = self.labels | {key: text_of(value) for key, value in attributes.items()}
        stream = stream_id(self.digest + identity_of(attributes))
        return Identity(msgspec.msgpack.encode(labels, order="sorted"), stream)


@dataclass(slots=True, eq=False)
class Page:
    """The series of a metric of an origin."""

    origin: Origin
    metric: Metric
    places: dict[bytes, int] = field(default_factory=dict)
    """Where its series stand in the tenant's table, by the bytes of attributes as they came."""
    derived: dict[tuple[bytes, str], SeriesRef] = field(default_factory=dict)
    """What has been made of its series, by those bytes and a word."""
    layout: Any = None
    """How the protocol has seen its points laid out."""
    parsed_next: int = 0
    """In how many requests its points are parsed before a layout is looked for."""

    def ref_of(self, spelling: bytes, read: Callable[[bytes], Attributes]) -> SeriesRef:
        """The series of attributes of these bytes; raise `Rejected`."""
        place = self.places.get(spelling)
        if place is not None:
            return self.origin.memory.table.refs[place]
        labels, stream = self.origin.identity_of(spelling, read)
        name, kind, unit, data = self.metric
        told_by = stream_id(msgspec.msgpack.encode((name, unit, data)))
        ref = SeriesRef(name, kind, unit, labels, max(1, told_by ^ stream) if kind in TOTALS else 0)
        if len(spelling) <= MAX_SPELLING_BYTES:
            self.places[spelling] = self.origin.memory.table.add(ref).place
            self.origin.memory.add(len(spelling))
        return ref

    def derived_ref(self, spelling: bytes, said: str, make: Callable[[], SeriesRef]) -> SeriesRef:
        """A series that is made of the one of these bytes, and told from others that are by a word."""
        found = self.derived.get((spelling, said))
        if found is None:
            found = make()
            if len(spelling) <= MAX_SPELLING_BYTES:
                self.derived[spelling, said] = self.origin.memory.table.add(found)
                self.origin.memory.add(len(spelling) + len(found.labels))
        return found


@dataclass(slots=True, eq=False)
class TenantMemory:
    """What one tenant has sent before."""

    whole: "Memory"
    table: SeriesTable = field(default_factory=SeriesTable)
    """Its series."""
    origins: dict[tuple[bytes, bytes], Origin] = field(default_factory=dict)
    """By the bytes of resource and scope."""
    size: int = 0
    """Bytes of it."""

    def origin(
        self, resource: bytes, scope: bytes, read: Callable[[bytes, bytes], tuple[Attributes, Attributes]]
    ) -> Origin:
        """The origin of these bytes; raise `Rejected` when they cannot be read."""
        found = self.origins.get((resource, scope))
        if found is None:
            of_resource, of_scope = read(resource, scope)
            labels = {key: text_of(of_resource[key]) for key in self.whole.promoted if key in of_resource}
            identity = identity_of({"resource": of_resource, "scope": of_scope})
            found = Origin(labels, xxh3_128_digest(identity), self)
            if len(resource) + len(scope) <= MAX_SPELLING_BYTES:
                self.origins[resource, scope] = found
                self.add(len(resource) + len(scope) + len(identity))
        return found

    def add(self, own_bytes: int) -> None:
        """Count an entry."""
        self.size += own_bytes + ENTRY_BYTES
        self.whole.size += own_bytes + ENTRY_BYTES


class Memory:
    """What all tenants have sent before."""

    def __init__(self, promoted: Sequence[str], limit: int = MAX_REMEMBERED_BYTES) -> None:
        self.promoted = tuple(promoted)
        """Attributes of resources that are labels."""
        self.size = 0
        """Bytes of all of it."""
        self._limit = limit
        self._tenants: dict[int, TenantMemory] = {}

    def of(self, tenant_id: int) -> TenantMemory:
        """What is remembered of a tenant."""
        while self.size > self._limit:
            largest = max(self._tenants, key=lambda one: self._tenants[one].size)
            self.size -= self._tenants.pop(largest).size
        found = self._tenants.get(tenant_id)
        if found is None:
            found = self._tenants[tenant_id] = TenantMemory(self)
            found.add(0)
        return found
