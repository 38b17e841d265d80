"""One quota at several gateways, on a real Redis."""

import secrets

import pytest

from services.gateway.auth.ports import Grant
from services.gateway.intake.adapters.redis_limits import STALE_S, SharedQuota
from services.gateway.intake.domain.tenant_limits import TenantLimits
from shared.errors import Unavailable
from shared.runtime import redis

pytestmark = pytest.mark.servers

GRANT = Grant(7, "write", 10.0, 100.0)


async def test_what_one_gateway_gives_another_has_no_more(redis_client: redis.Client) -> None:
    """After a second: the burst of a hundred is given once, whichever gateways gave it."""
    prefix = f"{secrets.token_hex(4)}."
    limits = [TenantLimits(), TenantLimits()]
    quotas = [SharedQuota(redis_client, each, prefix) for each in limits]
    for limit, quota in zip(limits, quotas, strict=True):
        limit.take(GRANT, 1, 0.0)
        await quota.even_out(0.0)

    assert 0 == limits[0].take(GRANT, 60, 0.0)
    assert 0 == limits[1].take(GRANT, 30, 0.0)
    for quota in (*quotas, *quotas):
        limits[0].take(GRANT, 0, 0.0)
        limits[1].take(GRANT, 0, 0.0)
        await quota.even_out(1.0)

    # Of what was taken before it came, the second one knows nothing.
    assert [8, 9] == [each.allowance(GRANT, 0.0).left for each in limits]


async def test_what_others_took_long_ago_is_not_held_against_a_tenant(redis_client: redis.Client) -> None:
    """A gateway that heard nothing for a while begins anew with the total."""
    prefix = f"{secrets.token_hex(4)}."
    here, there = TenantLimits(), TenantLimits()
    quota, other = SharedQuota(redis_client, here, prefix), SharedQuota(redis_client, there, prefix)
    here.take(GRANT, 1, 0.0)
    await quota.even_out(0.0)
    there.take(GRANT, 90, 0.0)
    await other.even_out(0.0)

    here.take(GRANT, 1, STALE_S + 1)
    await quota.even_out(STALE_S + 1)

    assert 99 == here.allowance(GRANT, STALE_S + 1).left


async def test_without_redis_each_gateway_goes_on_by_itself() -> None:
    """What it has given is forgotten, and its bucket decides as before."""
    limits = TenantLimits()
    quota = SharedQuota(redis.client("redis://127.0.0.1:1/0"), limits)
    limits.take(GRANT, 40, 0.0)

    with pytest.raises(Unavailable):
        await quota.even_out(0.0)

    assert (60, {}) == (limits.allowance(GRANT, 0.0).left, limits.drain())
