"""The cache at a running query process: what it knows, what it says of it, and what clearing does."""

from typing import Any

import httpx2
import pytest

from deploy import api_keys
from deploy.local.stack import Stack
from shared.postgres import connections
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers


async def delete(reader: Reader, path: str, key: str = "", **params: Any) -> httpx2.Response:
    """DELETE with its key, or another."""
    async with httpx2.AsyncClient(base_url=reader.url, timeout=20) as client:
        return await client.delete(path, params=params, headers={"x-api-key": key or reader.key})


async def admin_key(stack: Stack, pool: connections.Pool, reader: Reader) -> str:
    """A key of the tenant that may clear."""
    key = api_keys.new_key("admin")
    name = await pool.fetchval("SELECT name FROM tenant WHERE tenant_id = $1", reader.tenant_id)
    await api_keys.create(stack.postgres, name, key, "admin")
    return key


@pytest.mark.parametrize("path", ["/v1/cache", "/api/v1/analytics/cache"])
async def test_the_figures_are_those_of_the_tenant_that_asks(
    mine: Reader, foreign: Reader, path: str
) -> None:
    """Not even how often another one asks is told."""
    await mine.ask("/v1/query", q='{"questions":[{"metric":"nothing"}],"from":"now-3d","to":"now"}')
    answer, other = await mine.ask(path), await foreign.ask(path)

    assert (200, 200) == (answer.status_code, other.status_code)
    assert {"enabled", "current", "hits", "misses", "hit_rate_percent", "layers"} == answer.json().keys()
    assert (0, 0, None) == tuple(other.json()[name] for name in ("hits", "misses", "hit_rate_percent"))
    blocks = ("10s", "1m", "15m")
    assert [*(("l1", kind) for kind in (*blocks, "answer")), *(("l2", kind) for kind in blocks)] == [
        (each["layer"], each["kind"]) for each in answer.json()["layers"]
    ]


async def test_only_an_admin_clears(
    stack: Stack, pool: connections.Pool, gateway: Gateway, mine: Reader
) -> None:
    """All of its tenant, or a metric."""
    admin = await admin_key(stack, pool, mine)
    refused = await delete(mine, "/v1/cache")
    unknown = await delete(mine, "/v1/cache", "nobody's")
    long = await delete(mine, "/v1/cache", admin, metric="x" * 201)
    all_of_it = await delete(mine, "/v1/cache", admin)
    one = await delete(mine, "/api/v1/analytics/cache", admin, metric="cpu")
    async with httpx2.AsyncClient(base_url=gateway.url) as client:
        elsewhere = await client.delete("/v1/cache")

    assert [403, 401, 400] == [each.status_code for each in (refused, unknown, long)]
    assert "invalid_metric" == long.json()["code"]
    assert {"cleared": "all", "everywhere": True} == all_of_it.json()
    assert {"cleared": "cpu", "everywhere": True} == one.json()
    assert 421 == elsewhere.status_code


async def test_the_instruments_name_layers_and_kinds(gateway: Gateway, mine: Reader) -> None:
    """For an operator, over all tenants."""
    await mine.ask("/v1/query", q='{"questions":[{"metric":"nothing"}],"from":"now-3d","to":"now"}')
    text = await gateway.query.metrics()

    for name in ("gateway_cache_failures_total", "gateway_feed_lag_seconds", 'bound_used{bound="cache"'):
        assert name in text
