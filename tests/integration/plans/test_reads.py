"""What the gateway asks of Postgres is found by index, in the partitions of its range, whatever others have stored."""

import hashlib

import pytest

from services.gateway.auth.postgres import PostgresGrants
from services.gateway.query.alerts.postgres import PostgresAlerts
from services.gateway.query.app import reports_pool
from services.gateway.query.batches.postgres import PostgresBatchCounts
from services.gateway.query.dashboard.dashboard import Span
from services.gateway.query.dashboard.postgres import PostgresCheckpoints, PostgresSummaries
from services.gateway.query.funnels.postgres import PostgresFunnels
from services.gateway.query.ledger.ledger_query import Minutes
from services.gateway.query.ledger.postgres import PostgresLedger
from services.gateway.query.windows.postgres import PostgresWindows
from services.gateway.query.windows.windows import Query
from shared.model.funnel import EFFECT_CREATION
from shared.model.window import TIERS_MS
from shared.postgres.connections import Pool, connection
from shared.postgres.planning import EACH_TIME
from shared.runtime.clock import now_ms
from tests.support.plans import Plans, explaining

pytestmark = pytest.mark.servers

TENANT_ID = 7
BEHIND = 17
"""Windows, or minutes, between what is asked for and now: the rows may have been written some minutes ago."""


async def test_a_table_that_is_read_from_end_to_end_is_seen(pool: Pool, plans: Plans) -> None:
    """As one is whose index is missing: what the tests below say is no matter of course."""
    async with connection(pool) as conn:
        await conn.fetch("SELECT max(sum) FROM rollup_10s WHERE sum < $1", 9.0)

    assert (set(), {"rollup_10s"}) == (plans.indexes, plans.read_whole)
    assert plans.rows_of("rollup_10s") == 40_000


async def test_a_key_is_found_by_its_hash(pool: Pool, plans: Plans) -> None:
    """Each request of a new client asks this."""
    grant = await PostgresGrants(pool).find(hashlib.sha256(b"key 7").digest())

    assert grant is not None
    assert ({"api_key_pkey", "tenant_pkey"}, set()) == (plans.indexes, plans.read_whole)


@pytest.mark.parametrize("resolution_ms", TIERS_MS)
async def test_windows_are_found_by_metric_and_range(pool: Pool, plans: Plans, resolution_ms: int) -> None:
    """A few windows of one metric, out of those of a thousand series: in two partitions at most."""
    table = {10_000: "rollup_10s", 60_000: "rollup_1m", 900_000: "rollup_15m"}[resolution_ms]
    to_ms = (now_ms() // resolution_ms - BEHIND) * resolution_ms
    query = Query(TENANT_ID, "metric 5", (), to_ms - 3 * resolution_ms, to_ms, (0.5,), 100, resolution_ms)

    rows = await PostgresWindows(pool).closed(query)

    assert rows
    assert ({"series_by_metric", f"{table}_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert plans.partitions(table) <= 2


async def test_windows_are_planned_for_their_range_however_often_they_are_asked_for(filled: str) -> None:
    """From the sixth time on a connection Postgres would take one plan for all ranges: it was answered 503 then."""
    reports = await reports_pool(filled)
    planning = {name: await reports.fetchval(f"SHOW {name}") for name in EACH_TIME}
    reports.terminate()
    to_ms = (now_ms() // 10_000 - BEHIND) * 10_000
    query = Query(TENANT_ID, "metric 5", (), to_ms - 30_000, to_ms, (0.5,), 100)
    read = set[int]()
    async with explaining(filled, **planning) as (pool, plans):
        for _ in range(8):
            plans.found.clear()
            assert await PostgresWindows(pool).closed(query)

            assert ({"series_by_metric", "rollup_10s_pkey"}, set()) == (plans.indexes, plans.read_whole)
            assert plans.partitions("rollup_10s") <= 2
            read.add(plans.rows_of("rollup_10s"))

    assert len(read) == 1


async def test_the_dashboard_reads_the_windows_of_its_tenant(filled: str) -> None:
    """Each window and series is looked up, so that windows of other tenants cost nothing."""
    to_ms = (now_ms() // 10_000 - BEHIND) * 10_000
    async with explaining(filled, **EACH_TIME) as (pool, plans):
        found = await PostgresSummaries(pool).summaries(TENANT_ID, Span(to_ms - 30_000, to_ms), 100)

    assert found
    assert ({"series_by_metric", "rollup_10s_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert plans.partitions("rollup_10s") <= 2


async def test_checkpoints_are_found_by_topic(pool: Pool, plans: Plans) -> None:
    """Each look at the health of the system asks this: once for the partitions that are routed to, once for all."""
    found = await PostgresCheckpoints(pool).partitions(["topic 7"])

    assert len(found) == 12
    assert set() == plans.read_whole
    assert plans.rows_of("partition_state") == 2 * 12


async def test_a_funnel_reads_the_sessions_of_its_range(pool: Pool, plans: Plans) -> None:
    """Sessions that entered at other times, and those of other tenants, are not read."""
    to_ms = now_ms()

    found = await PostgresFunnels(pool).reach(TENANT_ID, EFFECT_CREATION, to_ms - 86_400_000, to_ms)

    assert found.sessions
    assert ({"funnel_entry_by_entry", "funnel_entry_by_time"}, set()) == (plans.indexes, plans.read_whole)


async def test_alerts_are_found_by_tenant(pool: Pool, plans: Plans) -> None:
    """The alerts of other tenants are not read."""
    found = await PostgresAlerts(pool).alerts(TENANT_ID, ["firing"], 0, 100)

    assert found
    assert ({"alert_instance_by_tenant"}, set()) == (plans.indexes, plans.read_whole)


async def test_the_history_of_an_alert_is_found_by_its_fingerprint(pool: Pool, plans: Plans) -> None:
    """The transitions of other alerts are not read."""
    found = await PostgresAlerts(pool).history(TENANT_ID, "finger 1006")

    assert found is not None
    assert len(found.transitions) == 3
    assert ({"alert_instance_by_fingerprint", "alert_event_pkey"}, set()) == (plans.indexes, plans.read_whole)


async def test_a_batch_is_looked_for_in_its_topic(pool: Pool, plans: Plans) -> None:
    """The ids of other topics are not read."""
    found = await PostgresBatchCounts(pool, "topic 7").batch_status(b"1234567890123456")

    assert found is not None
    assert ({"batch_id_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert plans.rows_of("batch_id") == 120


async def test_the_ledger_reads_the_minutes_of_its_tenant(pool: Pool, plans: Plans) -> None:
    """Minute by minute: the rows of all other tenants lie in between."""
    to_ms = (now_ms() // 60_000 - BEHIND) * 60_000

    found = await PostgresLedger(pool, {"points": "topic 1"}).ledger(
        TENANT_ID, "points", Minutes(to_ms - 600_000, to_ms)
    )

    assert found.minutes
    assert ({"ledger_1m_pkey", "partition_state_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert plans.rows_of("ledger_1m") == 100
