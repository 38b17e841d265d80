"""`GET /api/analytics/system/health`, and what every report says while a server is away."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx2
import pytest

from deploy.local.stack import Stack
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.wire.topics import EVENTS, METRICS, WINDOWS
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.wait import until

pytestmark = pytest.mark.servers

PATH = "/api/analytics/system/health"
DASHBOARD = "/api/analytics/dashboard/performance"

_COMMITTED = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen, updated_at)
SELECT $1, partition, 1, 'worker', 0, (extract(epoch FROM now()) * 1000)::bigint - 4000, '', now() - $2 * interval '1 s'
FROM generate_series(0, 3) AS partition
ON CONFLICT (topic, partition) DO UPDATE SET updated_at = excluded.updated_at, watermark_ms = excluded.watermark_ms
"""


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """One server stands still."""
    stack.servers[name].freeze()
    try:
        yield
    finally:
        stack.servers[name].thaw()


@contextmanager
def killed(stack: Stack, name: str) -> Iterator[None]:
    """One server is gone, and later there again."""
    stack.servers[name].kill()
    try:
        yield
    finally:
        stack.servers[name].start()
        stack.servers[name].wait_ready()


async def committed(mine: Reader, gateway: Gateway, *, events: int, metrics: int, windows: int) -> None:
    """Write when each service committed last, in seconds ago."""
    prefix = gateway.topic.removesuffix(METRICS.name)
    rows = ((EVENTS, events), (METRICS, metrics), (WINDOWS, windows))
    await mine.write(_COMMITTED, *((prefix + topic.name, age_s) for topic, age_s in rows))


def statuses(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    """HTTP status, verdict, and the verdicts on the services in the order of their names."""
    services = answer.json()["services"]
    return (
        answer.status_code,
        answer.json()["status"],
        [services[name]["status"] for name in sorted(services)],
    )


async def test_a_system_that_moves_is_ok(mine: Reader, gateway: Gateway) -> None:
    """Every service shows what it was judged on; events may be quiet."""
    await committed(mine, gateway, events=900, metrics=2, windows=2)

    answer = await mine.ask(PATH)
    services = answer.json()["services"]

    assert (200, "ok", ["ok"] * 4) == statuses(answer)
    assert {"kafka": "up", "postgres": "up", "redis": "up"} == answer.json()["dependencies"]
    assert {"status": "ok"} == services["gateway"]
    assert (4, 4, False) == tuple(
        services["aggregator"][name] for name in ("partitions", "partitions_owned", "quiet")
    )
    assert (True, True, True) == (
        2 <= services["alerts"]["oldest_commit_s"] < 20,
        4 <= services["alerts"]["watermark_lag_s"] < 20,
        services["ingest"]["quiet"],
    )


async def test_a_service_that_stands_still_is_down_and_so_is_the_system(
    mine: Reader, gateway: Gateway
) -> None:
    """503, with a body that says which."""
    await committed(mine, gateway, events=2, metrics=2, windows=100)

    answer = await mine.ask(PATH)

    assert (503, "down", ["ok", "down", "ok", "ok"]) == statuses(answer)


async def test_a_stopped_partition_is_told(mine: Reader, gateway: Gateway) -> None:
    """In the look at the system, which is degraded, and as an instrument."""
    await committed(mine, gateway, events=2, metrics=2, windows=2)
    await mine.write("INSERT INTO breaker (topic, partition, stopped_at) VALUES ($1, 3, 7)", (gateway.topic,))
    answer = await mine.ask(PATH)

    async def is_told() -> bool:
        lines = (await gateway.query.metrics()).splitlines()
        samples = [line for line in lines if f'topic="{gateway.topic}"' in line]
        return [("gateway_stopped_partitions", "1.0")] == [
            (line.partition("{")[0], line.rpartition(" ")[2]) for line in samples
        ]

    assert (200, "degraded", ["degraded", "ok", "ok", "ok"]) == statuses(answer)
    assert answer.json()["services"]["aggregator"]["partitions_stopped"] == 1
    try:
        await until(is_told, "the instrument shows it")
    finally:
        await mine.write("DELETE FROM breaker WHERE topic = $1", (gateway.topic,))


async def test_without_redis_the_system_is_degraded(stack: Stack, mine: Reader, gateway: Gateway) -> None:
    """Live windows are missing, and no number is lost."""
    await committed(mine, gateway, events=2, metrics=2, windows=2)
    await mine.ask(PATH)
    with frozen(stack, "redis"):
        answer = await mine.ask(PATH)

    assert (200, "degraded", "down") == (*statuses(answer)[:2], answer.json()["dependencies"]["redis"])


async def test_without_postgres_the_system_is_down_and_says_so(
    stack: Stack, mine: Reader, gateway: Gateway
) -> None:
    """The look is answered, every report is a 503 that says when to come again, and later all is well."""
    await committed(mine, gateway, events=2, metrics=2, windows=2)
    await mine.ask(PATH)
    paths = ["/v1/funnels/effect_creation", "/v1/alerts", "/v1/alerts/x/history", DASHBOARD]
    with killed(stack, "postgres"):
        during = await mine.ask(PATH)
        refused = await asyncio.gather(*(mine.ask(path) for path in paths))
    after = [await mine.ask(path) for path in paths]

    assert (503, "down", ["down", "down", "ok", "down"]) == statuses(during)
    assert {"kafka": "up", "postgres": "down", "redis": "up"} == during.json()["dependencies"]
    assert [(503, "unavailable", retry) for retry in ("1", "1", "1", "5")] == [
        (each.status_code, each.json()["code"], each.headers["retry-after"]) for each in refused
    ]
    assert [200, 200, 404, 200] == [each.status_code for each in after]


async def test_a_dashboard_that_takes_too_long_is_given_up(
    stack: Stack, gateway: Gateway, pool: connections.Pool, mine: Reader
) -> None:
    """A statement has a limit on the server's side; meanwhile a new key is looked up, and the system is seen."""
    await mine.write(
        "INSERT INTO series VALUES (-$1::bigint, $1, 'slow', 'gauge', '', '{}')", (mine.tenant_id,)
    )
    await FoldedPartition(pool, gateway.topic, 0).fold_in_time([], now_ms())
    conn = await asyncpg.connect(stack.postgres)
    try:
        async with conn.transaction():
            await conn.execute("LOCK TABLE rollup_10s, rollup_1m, rollup_15m IN ACCESS EXCLUSIVE MODE")
            asking = [asyncio.create_task(mine.ask(DASHBOARD)) for _ in range(4)]
            alive = await mine.ask(PATH, "admin")
            answers = await asyncio.gather(*asking)
    finally:
        await conn.close()

    assert {(503, "5")} == {(each.status_code, each.headers["retry-after"]) for each in answers}
    assert "up" == alive.json()["dependencies"]["postgres"]


@pytest.mark.parametrize(("key", "status"), [("write", 403), ("wrong", 401)])
async def test_only_who_may_read_sees_the_system(mine: Reader, key: str, status: int) -> None:
    """It says nothing to a key that writes."""
    assert status == (await mine.ask(PATH, key)).status_code


async def test_every_report_is_in_the_documentation(mine: Reader) -> None:
    """With the schema of its answer and of its refusals."""
    contract = (await mine.ask("/openapi.json")).json()

    assert {
        "/v1/funnels": "FunnelsBody",
        "/v1/funnels/{name}": "FunnelReportBody",
        "/v1/alerts": "AlertsBody",
        "/v1/alerts/{alert_id}/history": "HistoryBody",
        DASHBOARD: "PerformanceBody",
        PATH: "SystemHealthBody",
    } == {
        path: of["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[
            2
        ]
        for path, of in contract["paths"].items()
        if path.startswith(("/v1/funnels", "/v1/alerts", "/api/analytics/dashboard", "/api/analytics/system"))
        and "get" in of
    }
