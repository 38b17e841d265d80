"""What remote write remembers is bounded for all tenants together and for each, and nothing counts otherwise for it."""

from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.remote_write.decode import RemoteWrite
from services.gateway.intake.protocols.remote_write.map import COUNTER, GAUGE, SeriesText
from services.gateway.intake.protocols.remote_write.memory import (
    MAX_FAMILIES,
    MAX_TENANTS,
    SeriesMemory,
)
from tests.support import remote_write as wire

NOW = 1_790_000_000_000
TEXT = SeriesText("up", b"", ("gauge", ""))


def filled(memory: SeriesMemory, tenant_id: int, count: int) -> None:
    """Let a tenant have so many series."""
    tenant = memory.of(tenant_id)
    for number in range(count):
        memory.remember(tenant, tenant.series, b"%d" % number, TEXT)


def test_a_tenant_may_have_half_of_the_memory() -> None:
    """With one more all of its own are forgotten, and no other's."""
    memory = SeriesMemory(10)
    filled(memory, 1, 3)
    filled(memory, 2, 5)
    assert (8, 5) == (len(memory), memory.of(2).size)
    filled(memory, 2, 1)

    assert (3, 1, 4) == (memory.of(1).size, memory.of(2).size, len(memory))


def test_a_full_memory_forgets_the_tenant_with_the_most() -> None:
    """Whoever needs room."""
    memory = SeriesMemory(10)
    for tenant_id, count in ((1, 4), (2, 5), (3, 2)):
        filled(memory, tenant_id, count)

    assert [4, 0, 2] == [memory.of(tenant_id).size for tenant_id in (1, 2, 3)]


def test_tenants_and_families_are_bounded() -> None:
    """The tenant heard longest ago is forgotten; of families the first are kept."""
    memory = SeriesMemory()
    filled(memory, 0, 2)
    for tenant_id in range(1, MAX_TENANTS + 1):
        memory.of(tenant_id)
    tenant = memory.of(1)
    memory.learn(tenant, [(f"f{number}", COUNTER) for number in range(MAX_FAMILIES + 1)])

    assert (0, MAX_FAMILIES) == (len(memory), len(tenant.families))
    assert (COUNTER, 0) == (tenant.type_of("f0"), tenant.type_of(f"f{MAX_FAMILIES}"))


def test_a_type_that_changes_makes_series_be_read_anew() -> None:
    """One that is said again does not."""
    memory = SeriesMemory()
    memory.learn(memory.of(1), [("up", GAUGE)])
    filled(memory, 1, 2)
    sizes = []
    for kind in (GAUGE, COUNTER):
        memory.learn(memory.of(1), [("up", kind)])
        sizes.append(len(memory))

    assert [2, 0] == sizes


def test_what_one_version_remembers_is_not_taken_for_labels_of_the_other() -> None:
    """A row that begins as the symbols of version 2.0 are remembered is read, not cut: here it holds no label."""
    decoder = RemoteWrite()
    second = wire.second_request([({"__name__": "up"}, [wire.sample(1.0, NOW)], [], 0)])
    decoder.decode(Request(second, [wire.SECOND], b"", 1, NOW))
    (key,) = decoder._memory.of(1).by_symbols
    first = wire.request([key + wire.part(2, wire.sample(1.0, NOW))])
    found = decoder.decode(Request(first, [], b"", 1, NOW))

    assert found.points is not None
    assert (0, 1) == (len(found.points.name), len(found.refused))
