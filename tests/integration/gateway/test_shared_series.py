"""One limit of series at several gateways, on a real Redis."""

import secrets

import pytest

from services.gateway.intake.adapters.redis_limits import SharedSeries
from services.gateway.intake.domain.series_limit import LABELS, SPAN_MS, SeriesLimiter
from shared.errors import Unavailable
from shared.model.series import Series
from shared.runtime import redis

pytestmark = pytest.mark.servers

TENANT, LIMIT = 7, 10
NOW = 1_760_000_000_000 // SPAN_MS * SPAN_MS
IDS = {f"m{at}": at - 50 for at in range(100)}
"""Ids are signed."""


class Gateway:
    """The limiter of one gateway, and what tells the others."""

    def __init__(self, redis_client: redis.Client, prefix: str) -> None:
        self.limiter = SeriesLimiter()
        self.limiter.retune(TENANT, LIMIT)
        self.shared = SharedSeries(redis_client, self.limiter, prefix)

    def taken(self, *numbers: int, at_ms: int = NOW) -> list[int]:
        """Which of these series are in."""
        active = self.limiter.at(TENANT, at_ms)
        every = [Series(TENANT, f"m{number}", "delta", "", ()) for number in numbers]
        placed = [active.admit(each, lambda one: IDS.get(one.metric, 999)) for each in every]
        return [number for number, found in zip(numbers, placed, strict=True) if found.labels != LABELS]


@pytest.fixture
def gateways(redis_client: redis.Client) -> list[Gateway]:
    """Three that share a Redis."""
    prefix = f"{secrets.token_hex(4)}."
    return [Gateway(redis_client, prefix) for _ in range(3)]


async def share_all(*gateways: Gateway, at_ms: int = NOW) -> None:
    """Each tells and hears, whatever was to be told."""
    for _ in range(4):
        for each in gateways:
            each.limiter.at(TENANT, at_ms)
            await each.shared.share(at_ms)


@pytest.mark.parametrize(("more", "are_in"), [(3, 3), (4, 4), (5, 4), (50, 4)])
async def test_a_tenant_has_its_limit_over_all_gateways(
    gateways: list[Gateway], more: int, are_in: int
) -> None:
    """Below, at and above: six of ten are active at one, and four more find room at another."""
    one, other, _ = gateways
    one.taken(*range(6))
    await share_all(one, other)

    found = other.taken(*range(20, 20 + more))

    assert are_in == len(found)


async def test_what_is_active_at_one_is_in_at_all(gateways: list[Gateway]) -> None:
    """Also when they are full, and at one that was started again and knew nothing."""
    one, other, restarted = gateways
    one.taken(*range(LIMIT))
    before = other.taken(*range(LIMIT), 60)
    await share_all(one, other, restarted)

    assert list(range(LIMIT)) == before
    assert list(range(LIMIT)) == restarted.taken(*range(LIMIT), 61)


async def test_whoever_was_sent_away_is_judged_anew_when_it_is_active_elsewhere(
    gateways: list[Gateway],
) -> None:
    """What was remembered of its place is forgotten then, and at no other time."""
    one, other, _ = gateways
    one.taken(1)
    other.taken(*range(20, 20 + LIMIT), 1)
    before = other.limiter.at(TENANT, NOW).generation

    await share_all(one, other)
    after = other.limiter.at(TENANT, NOW).generation
    found = other.taken(1)
    await share_all(one, other)

    assert (before + 1, [1], after) == (after, found, other.limiter.at(TENANT, NOW).generation)


async def test_what_is_silent_everywhere_makes_room(gateways: list[Gateway]) -> None:
    """After two spans, as at one gateway; what goes on somewhere stays."""
    one, other, _ = gateways
    one.taken(*range(LIMIT))
    other.taken(0)
    await share_all(one, other)
    for span in (1, 2):
        one.taken(0, at_ms=NOW + span * SPAN_MS)
        await share_all(one, other, at_ms=NOW + span * SPAN_MS)

    later = NOW + 3 * SPAN_MS
    found = other.taken(*range(30, 30 + LIMIT), at_ms=later)

    assert (LIMIT - 1, [0]) == (len(found), other.taken(0, at_ms=later))


async def test_without_redis_each_gateway_goes_on_by_itself(gateways: list[Gateway]) -> None:
    """Its own limit holds, and what it could not tell is known to others when Redis is back."""
    one, other, _ = gateways
    away = redis.client("redis://127.0.0.1:1/0")
    alone = SharedSeries(away, one.limiter, "x")
    found = one.taken(*range(LIMIT + 5))

    with pytest.raises(Unavailable):
        await alone.share(NOW)
    await share_all(one, other)

    assert list(range(LIMIT)) == found
    assert [3] == other.taken(3, 70)
    await away.aclose()


async def test_more_than_an_entry_holds_x(redis_client: redis.Client) -> None:
    """Ten thousand series, to the last."""
    prefix = f"{secrets.token_hex(4)}."
    one, other = Gateway(redis_client, prefix), Gateway(redis_client, prefix)
    one.limiter.retune(TENANT, 10_000)
    active = one.limiter.at(TENANT, NOW).series
    assert all(active.enter(number, 10_000) for number in range(10_000))
    other.limiter.at(TENANT, NOW)

    await share_all(one, other)

    assert set(range(10_000)) == other.limiter.at(TENANT, NOW).series.elsewhere
    assert (10_000, 0) == (one.limiter.active(), other.limiter.active())
