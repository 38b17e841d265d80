"""What the gateway asks of Postgres is found by index, in the partitions of its range, whatever others have stored."""

import hashlib
from datetime import date

import pytest

from services.gateway.auth.postgres import PostgresGrants
from services.gateway.query.app import reports_pool
from services.gateway.query.exports.asked.export import Body, TableRows, export_of
from services.gateway.query.page.keys.postgres import PostgresKeys
from services.gateway.query.page.live.transitions import PostgresTransitions
from services.gateway.query.page.session.postgres import PostgresKeyNames
from services.gateway.query.resources.alerts.alertmanager.receivers import PostgresReceivers
from services.gateway.query.resources.alerts.notes.postgres import NewNote, PostgresNotes
from services.gateway.query.resources.alerts.postgres import PostgresAlerts
from services.gateway.query.resources.alerts.silences.postgres import PostgresSilences
from services.gateway.query.resources.batches.postgres import PostgresBatchCounts
from services.gateway.query.resources.funnels.postgres import PostgresFunnels
from services.gateway.query.resources.ledger.ledger_query import Minutes
from services.gateway.query.resources.ledger.postgres import PostgresLedger
from services.gateway.query.resources.system.checkpoints import PostgresCheckpoints
from services.gateway.query.resources.windows.postgres import PostgresWindows
from services.gateway.query.resources.windows.windows import Query
from shared.alerts.silences.matchers import Matcher
from shared.alerts.silences.tables import New
from shared.errors import Rejected
from shared.files import catalogue
from shared.files.archive import begin_ms
from shared.model.funnel import EFFECT_CREATION
from shared.model.window import TIERS_MS
from shared.postgres import planning
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at
from shared.postgres.planning import EACH_TIME
from shared.prepared import merged, tables
from shared.prepared.grouping import GroupKey
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


async def test_the_names_of_a_session_are_found_by_its_key(pool: Pool, plans: Plans) -> None:
    """The page asks when it is opened."""
    names = await PostgresKeyNames(pool).of(hashlib.sha256(b"key 7").digest())

    assert names.tenant
    assert ({"api_key_pkey", "tenant_pkey"}, set()) == (plans.indexes, plans.read_whole)


async def test_the_keys_of_a_tenant_are_found_by_it(pool: Pool, plans: Plans) -> None:
    """An admin who looks at them reads none of others, nor does who revokes one."""
    (key,) = await PostgresKeys(pool).all(7)
    ended = await PostgresKeys(pool).revoke(7, key.id)

    assert ended
    assert "api_key_by_tenant" in plans.indexes
    assert set() == plans.read_whole


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


@pytest.mark.parametrize("resolution_ms", TIERS_MS)
async def test_prepared_groups_are_found_by_metric_label_set_and_range(
    pool: Pool, plans: Plans, resolution_ms: int
) -> None:
    """A row for each window and partition, in two partitions of the table at most; nothing else is read."""
    table = tables.GROUP_TABLES[resolution_ms]
    to_ms = (now_ms() // resolution_ms - BEHIND) * resolution_ms
    async with connection(pool) as conn:
        with pytest.raises(Rejected):  # the rows hold no groups
            await tables.within(
                conn, resolution_ms, GroupKey(7, "metric 6", "endpoint"), to_ms - 3 * resolution_ms, to_ms
            )

    assert ({f"{table}_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert (3 * 12, True) == (plans.rows_of(table), plans.partitions(table) <= 2)


async def test_merged_groups_are_found_beside_what_they_were_made_of(pool: Pool, plans: Plans) -> None:
    """A row for each window, and the versions of one for each window and partition."""
    to_ms = (now_ms() // merged.TIER_MS - BEHIND) * merged.TIER_MS
    asked = 7, "metric 6", "endpoint", at(to_ms - 3 * merged.TIER_MS), at(to_ms), "topic 7"
    async with connection(pool) as conn:
        found = await conn.fetch(merged.READ, *asked)

    assert [] == found  # they say that they were made of other rows
    assert ({"rollup_group_15m_pkey", f"{merged.TABLE}_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert (3 * 12, 3) == (plans.rows_of("rollup_group_15m"), plans.rows_of(merged.TABLE))


async def test_what_a_topic_keeps_is_found_by_its_partitions(pool: Pool, plans: Plans) -> None:
    """What other topics keep is not read."""
    async with connection(pool) as conn:
        found = await tables.whole_since(conn, "topic 7")

    assert [["*", "web_vital.*"]] * 3 == [sorted(one.pattern for one in found[tier]) for tier in TIERS_MS]
    assert set() == plans.read_whole
    assert plans.rows_of("prepared_group") == 12 * 6


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


async def test_new_transitions_are_found_by_tenant_and_time(pool: Pool, plans: Plans) -> None:
    """Once a second for all live streams: no older ones are read, by whichever index Postgres finds quicker."""
    found = await PostgresTransitions(pool).since([TENANT_ID, TENANT_ID + 1], (now_ms() - 600_000) * 1000)

    assert {one.tenant_id for one in found} <= {TENANT_ID, TENANT_ID + 1}
    assert plans.indexes
    assert plans.indexes <= {"alert_event_by_time", "alert_event_by_age"}
    assert plans.read_whole == set()


async def test_alerts_are_found_by_tenant(pool: Pool, plans: Plans) -> None:
    """The alerts of other tenants are not read."""
    found = await PostgresAlerts(pool).alerts(TENANT_ID, ["firing"], 0, 100)

    assert found
    assert ({"alert_instance_lasting"}, set()) == (plans.indexes, plans.read_whole)


async def test_an_alert_is_found_by_its_id_or_fingerprint(pool: Pool, plans: Plans) -> None:
    """The alerts of others are not read."""
    named = await PostgresAlerts(pool).named(TENANT_ID, "finger 1006")
    listed = await PostgresAlerts(pool).of_fingerprint(TENANT_ID, "finger 1006", 10)

    assert named == [each.alert_id for each in listed]
    assert len(named) == 1
    assert ({"alert_instance_by_fingerprint", "alert_instance_by_id"}, set()) == (
        plans.indexes,
        plans.read_whole,
    )


async def test_the_history_of_an_alert_is_found_by_its_id(pool: Pool, plans: Plans) -> None:
    """The transitions of other alerts are not read."""
    (alert_id,) = await PostgresAlerts(pool).named(TENANT_ID, "finger 1006")
    plans.found.clear()
    found = await PostgresAlerts(pool).history(TENANT_ID, alert_id)

    assert found is not None
    assert len(found.transitions) == 3
    assert ({"alert_instance_by_id", "alert_event_pkey"}, set()) == (plans.indexes, plans.read_whole)


async def test_silences_and_their_alerts_are_found_by_tenant(pool: Pool, plans: Plans) -> None:
    """Those of others, and what fired long ago, are not read."""
    silences = PostgresSilences(pool, pool)
    listed = await silences.listed(TENANT_ID, ["expired"])
    found = await silences.preview(TENANT_ID, [Matcher("alertname", "=", "Slow")])
    made = await silences.create(
        New(TENANT_ID, [Matcher("alertname", "=", "x")], now_ms(), now_ms() + 1000, "mk", "x", "k")
    )

    assert (listed != [], found.now != [], made is not None) == (True, True, True)
    assert {"silence_by_tenant", "alert_instance_lasting", "alert_event_by_time"} <= plans.indexes
    assert plans.read_whole == set()


async def test_notes_are_found_by_their_alert(pool: Pool, plans: Plans) -> None:
    """Those of other alerts are not read, to write one or to show them."""
    notes = PostgresNotes(pool, pool)
    (alert_id,) = await PostgresAlerts(pool).named(TENANT_ID, "finger 1006")
    plans.found.clear()
    written = await notes.write(NewNote(TENANT_ID, alert_id, 0, "ack", "mk", "", "k"), ["firing"])
    of_alert = await notes.of_alert(TENANT_ID, alert_id)
    latest = await notes.latest(TENANT_ID, [alert_id])

    assert (True, 3, {"ack", "resolve"}) == (written is not None, len(of_alert), set(latest[alert_id]))
    assert {"alert_instance_by_id", "alert_note_by_alert"} <= plans.indexes
    assert plans.read_whole == set()


async def test_names_of_receivers_are_found_without_their_notifications(pool: Pool, plans: Plans) -> None:
    """One step of the index a name."""
    assert ["pager"] == await PostgresReceivers(pool).names()
    assert ({"notification_receiver_key_key"}, set()) == (plans.indexes, plans.read_whole)


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


@pytest.mark.parametrize("name", ["windows", "events"])
async def test_an_export_reads_the_partitions_of_its_range(pool: Pool, plans: Plans, name: str) -> None:
    """Of ten minutes: two partitions at most, by their index; its rows come from no other tenant."""
    to_ms = now_ms() - BEHIND * 60_000
    body = Body(table=name, since=to_ms - 600_000, until=to_ms)
    export = export_of(body, TENANT_ID, now_ms())
    assert isinstance(export.rows, TableRows)
    statement, values = export.rows.statement(export.columns, "csv")
    async with connection(pool) as conn:
        for setting, value in planning.IN_BULK.items():
            await conn.execute("SELECT set_config($1, $2, true)", setting, value)
        await conn.fetch(statement, TENANT_ID, at(export.rows.from_ms), at(export.rows.to_ms), *values)

    table = export.rows.relation
    assert plans.partitions(table) <= 2
    assert plans.read_whole <= {"series"}


async def test_files_of_the_archive_are_found_by_tenant_and_day(pool: Pool, plans: Plans) -> None:
    """However many days of how many tenants there are."""
    days = date(2026, 1, 1), date(2026, 2, 1)
    async with connection(pool) as conn:
        found = await catalogue.files(conn, "rollup_15m", TENANT_ID, *days)
        edge_ms = await catalogue.dropped_before_ms(conn, "rollup_15m")

    assert (31, begin_ms(date(2026, 12, 27))) == (len(found), edge_ms)
    assert ({"archive_file_pkey"}, set()) == (
        plans.indexes - {"archive_day_pkey"},
        plans.read_whole - {"archive_day"},
    )
