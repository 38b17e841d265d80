"""What is under way at once, and whose it is."""

import pytest

from services.gateway.intake.domain.in_flight import ConcurrencyLimits, Full, InFlight

MIB = 1 << 20
LIMITS = ConcurrencyLimits(1024, 64 * MIB)


def fill(in_flight: InFlight, tenant_id: int, size: int, limits: ConcurrencyLimits = LIMITS) -> int:
    """How many requests of this size a tenant can have under way."""
    count = 0
    while True:
        try:
            in_flight.enter(tenant_id, size, limits)
        except Full:
            return count
        count += 1


@pytest.mark.parametrize(
    ("size", "limits", "most"),
    [
        pytest.param(MIB, LIMITS, 48, id="bytes"),
        pytest.param(1, LIMITS, 768, id="requests"),
        pytest.param(64 * MIB, LIMITS, 1, id="one as large as all"),
        pytest.param(64 * MIB + 1, LIMITS, 0, id="larger than all"),
        pytest.param(1, ConcurrencyLimits(1, 10), 1, id="room for one"),
    ],
)
def test_a_tenant_that_is_alone_has_most_of_the_room(size: int, limits: ConcurrencyLimits, most: int) -> None:
    """Three quarters, and always one request that fits."""
    assert most == fill(InFlight(), 1, size, limits)


def test_a_tenant_finds_room_whatever_the_others_hold() -> None:
    """Each that comes has a part of what is left; who is refused is told whose the limit is."""
    in_flight = InFlight()

    found = [fill(in_flight, tenant_id, MIB) for tenant_id in range(1, 5)]

    assert ([48, 12, 3, 1], 4) == (found, in_flight.tenants())
    assert {"tenant_bytes": 3, "bytes": 1} == in_flight.refused


def test_what_has_left_makes_room() -> None:
    """To the last byte, and nothing is remembered of who holds nothing."""
    in_flight = InFlight()
    in_flight.enter(1, 5, LIMITS)
    in_flight.grow(1, 7, LIMITS)

    in_flight.leave(1, 12)

    assert (0, 0, 0) == (in_flight.requests, in_flight.bytes, in_flight.tenants())


def test_what_is_unpacked_is_counted() -> None:
    """A small body that becomes large takes the room of a large one, or finds none."""
    in_flight = InFlight()
    limits = ConcurrencyLimits(9, 100)
    in_flight.enter(1, 10, limits)
    in_flight.enter(2, 80, limits)

    with pytest.raises(Full, match="too many bytes are under way"):
        in_flight.grow(1, 11, limits)
    in_flight.grow(1, 10, limits)

    assert 100 == in_flight.bytes
