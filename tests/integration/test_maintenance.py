"""Tables are kept without standing in anybody's way, and what goes keeps up with what comes.

Source: faults.md, "a backup holds ACCESS SHARE for 48 s while workers restart"; PostgreSQL manual, explicit locking.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.run_sync import run_sync
from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from services.aggregator.adapters import postgres as aggregator
from services.aggregator.adapters import repeats
from services.aggregator.service import PartitionFold
from services.alerts.dispatch.adapters import notifications
from services.alerts.evaluation.adapters import postgres as alerts
from services.ingest.adapters.postgres import EventTables
from services.ingest.projections.registry import PROJECTIONS
from shared.errors import Unavailable
from shared.model.series import Series
from shared.postgres import connections
from shared.postgres.maintenance import Deletion, Partitioned, keep, prepare
from shared.stream import dead_letters
from shared.stream.processor import Key
from shared.wire.series import checked, pack, tenant_of

pytestmark = pytest.mark.servers

TASKS = (*aggregator.MAINTENANCE, *EventTables(PROJECTIONS).maintenance)
EVERY = (
    *TASKS,
    *repeats.MAINTENANCE,
    *alerts.MAINTENANCE,
    *notifications.MAINTENANCE,
    *dead_letters.MAINTENANCE,
)

FINE = (
    "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = '{}'::regclass"
)

OF_NOW = "SELECT partition_since($1::text::regclass, (floor(extract(epoch FROM now()) / $2) * $2)::bigint)"

LONG_AGO_S = 1_000_000_000 // 86_400 * 86_400
"""In 2001: past every retention."""


async def execute(dsn: str, statement: str) -> None:
    """Run a statement on a connection of its own."""
    async with connections.single(dsn, command_s=30) as conn:
        await conn.execute(statement)


@pytest.fixture(scope="module")
def migrated(stack: Stack) -> Iterator[str]:
    """Name of a database with our tables, to be copied."""
    name = f"t{secrets.token_hex(4)}"
    run_sync(execute(stack.postgres, f"CREATE DATABASE {name}"))
    run_sync(migrate(stack.postgres.rpartition("/")[0] + "/" + name))
    yield name
    run_sync(execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest_asyncio.fixture
async def dsn(stack: Stack, migrated: str) -> AsyncIterator[str]:
    """Address of a database of this test's own."""
    name = f"t{secrets.token_hex(4)}"
    await execute(stack.postgres, f"CREATE DATABASE {name} TEMPLATE {migrated}")
    yield stack.postgres.rpartition("/")[0] + "/" + name
    await execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture
async def pool(dsn: str) -> AsyncIterator[connections.Pool]:
    """Connections to it."""
    made = await connections.pool(dsn, 4)
    yield made
    made.terminate()


@asynccontextmanager
async def backup(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that holds what `pg_dump` holds: ACCESS SHARE on every table."""
    conn = await asyncpg.connect(dsn)
    transaction = conn.transaction()
    await transaction.start()
    names = await conn.fetch(
        "SELECT format('%I', relname) AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p')"
    )
    await conn.execute(f"LOCK TABLE {', '.join(row['name'] for row in names)} IN ACCESS SHARE MODE")
    try:
        yield conn
    finally:
        await transaction.rollback()
        await conn.close()


async def of_now(pool: connections.Pool, table: str, step_s: int = 86_400) -> str:
    """The name of the partition of now."""
    found: str = await pool.fetchval(OF_NOW, table, step_s)
    return found


async def test_a_start_does_not_wait_for_a_backup(pool: connections.Pool, dsn: str) -> None:
    """After a long rest even the partitions of now are made while every table is being read."""
    missing = [await of_now(pool, table) for table in ("event", "event_id", "ledger_1m", "rollup_1m")]
    await pool.execute(f"DROP TABLE {', '.join(missing)}")

    async with backup(dsn):
        await prepare(pool, TASKS)

    assert [True] * 4 == [await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", name) for name in missing]


async def test_a_partition_is_made_with_locks_that_readers_and_writers_do_not_notice(
    pool: connections.Pool,
) -> None:
    """On its table SHARE UPDATE EXCLUSIVE at most; CREATE TABLE ... PARTITION OF takes ACCESS EXCLUSIVE."""
    await pool.execute(f"DROP TABLE {await of_now(pool, 'event')}")
    async with connections.connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT prepare_partitions('event')")
        modes = await conn.fetch(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'event'::regclass"
        )

    assert {"AccessShareLock", "ShareUpdateExclusiveLock"} == {row["mode"] for row in modes}


async def test_old_partitions_wait_for_a_backup_and_go_when_it_is_over(
    pool: connections.Pool, dsn: str
) -> None:
    """Meanwhile nothing of ours queues in front of readers."""
    await pool.execute("SELECT make_partition('event', $1, 86400)", LONG_AGO_S)
    old = await pool.fetchval("SELECT partition_since('event', $1)", LONG_AGO_S)

    async with backup(dsn) as conn:
        during = await keep(pool, TASKS)
        kept = await conn.fetchval("SELECT to_regclass($1) IS NOT NULL", old)
        queued = await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    after = await keep(pool, TASKS)

    assert (False, True, 0) == (during, kept, queued)
    assert (True, None) == (after, await pool.fetchval("SELECT to_regclass($1)::text", old))


async def test_rows_of_an_emptied_partition_wait_for_a_backup_too(pool: connections.Pool, dsn: str) -> None:
    """Rows of 10 s that lie far behind the slowest watermark go when nobody reads them."""
    rows = (
        "INSERT INTO rollup_10s (window_start, series_id, revision, late_count, count, sum, watermark, sketch_bucket, "
        "sketch_weight) SELECT now() - n * interval '20 hours', 1, 0, 0, 1, 1, now(), '{}', '{}' "
        "FROM generate_series(0, 3) AS n"
    )
    await pool.execute(rows)
    await pool.execute(
        "INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen) "
        "VALUES ('telemetry.metrics.v1', 0, 1, '', 0, extract(epoch FROM now()) * 1000, '')"
    )
    count = "SELECT count(*) FROM rollup_10s"

    async with backup(dsn) as conn:
        during = await keep(pool, TASKS), await conn.fetchval(count)
    after = await keep(pool, TASKS), await pool.fetchval(count)

    assert ((False, 4), (True, 1)) == (during, after)


async def test_whoever_asks_for_an_exclusive_lock_gives_up_at_once(pool: connections.Pool) -> None:
    """All readers queue behind one who waits for it, so each function that does has a limit of its own."""
    rows = await pool.fetch(
        "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND (prosrc LIKE '%DROP TABLE%' OR prosrc LIKE '%TRUNCATE%')"
    )

    assert {"drop_partition": True, "empty_partition": True} == {
        row["proname"]: "lock_timeout=50ms" in row["proconfig"] for row in rows
    }


async def test_a_start_needs_the_partition_of_now_alone(pool: connections.Pool, dsn: str) -> None:
    """Somebody analyses the table: tomorrow's may wait, and without today's nothing could be written."""
    today = await of_now(pool, "event")
    days = [row["relname"] for row in await pool.fetch(FINE.format("event"))]
    later = [name for name in days if name > today.partition(".")[2]]
    busy = await asyncpg.connect(dsn)
    await pool.execute(f"DROP TABLE {', '.join(later)}")
    async with busy.transaction():
        await busy.execute("LOCK TABLE event IN SHARE UPDATE EXCLUSIVE MODE")
        await prepare(pool, [Partitioned("event")])
    await pool.execute(f"DROP TABLE {today}")
    async with busy.transaction():
        await busy.execute("LOCK TABLE event IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match="lock timeout"):
            await prepare(pool, [Partitioned("event")])
    await busy.close()
    await prepare(pool, [Partitioned("event")])

    assert set(days) == {row["relname"] for row in await pool.fetch(FINE.format("event"))}


async def test_partitions_are_made_for_more_than_a_week_ahead(pool: connections.Pool) -> None:
    """A week in which none can be made harms nobody."""
    assert [] == await pool.fetch(
        "SELECT table_name FROM retention WHERE step IS NOT NULL AND to_regclass(partition_since("
        "table_name::regclass, (floor(extract(epoch FROM now() + interval '7 days') / extract(epoch FROM step)) "
        "* extract(epoch FROM step))::bigint)) IS NULL"
    )


async def test_workers_that_start_together_make_each_partition_once(pool: connections.Pool) -> None:
    """None of them fails, and none is missing."""
    await pool.execute(f"DROP TABLE {await of_now(pool, 'event')}, {await of_now(pool, 'rollup_1m')}")

    await asyncio.gather(*(prepare(pool, TASKS) for _ in range(4)))

    assert None not in {
        await pool.fetchval("SELECT to_regclass($1)::text", await of_now(pool, table))
        for table in ("event", "rollup_1m")
    }


async def test_deletion_goes_on_until_nothing_old_is_left(pool: connections.Pool) -> None:
    """In pieces, and however much there is: a constant a round would be outrun."""
    await pool.execute(
        "INSERT INTO notification (topic, receiver, key, rule, series_id, body, created_at) "
        "SELECT 't', 'pager', n::text, 'rule', n, '', now() - CASE WHEN n <= 12001 THEN interval '8 days' "
        "ELSE interval '6 days' END FROM generate_series(1, 12003) AS n"
    )

    done = await keep(pool, notifications.MAINTENANCE)

    assert (True, 2) == (done, await pool.fetchval("SELECT count(*) FROM notification"))


async def test_a_series_goes_when_no_tier_can_have_a_row_of_it(pool: connections.Pool) -> None:
    """Retention, the steps of its partitions, and 90 days more; one that was seen since stays."""
    await pool.execute(
        "INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels, seen_on) SELECT n, 1, 'm', 'gauge', '', "
        "'{}', current_date - CASE WHEN n <= 5001 THEN 552 ELSE 549 END FROM generate_series(1, 5002) AS n"
    )

    done = await keep(pool, TASKS)

    assert (True, [5002]) == (done, [row[0] for row in await pool.fetch("SELECT series_id FROM series")])


async def test_a_series_that_is_handed_over_again_counts_as_seen(pool: connections.Pool) -> None:
    """Only its day changes."""
    series = pack(Series(1, "m", "gauge", "", ()))
    work = PartitionFold(checked, tenant_of).checkpoint()
    days = []
    for _ in range(2):
        work.new_series = [series]
        async with connections.connection(pool) as conn, conn.transaction():
            await aggregator.RollupTables().save(conn, {Key("t", 0): work})
        days.append(await pool.fetchval("SELECT current_date - seen_on FROM series"))
        await pool.execute("UPDATE series SET seen_on = current_date - 40")

    assert [0, 0] == days


async def test_dead_letters_go_but_for_those_that_a_breaker_looks_back_on(pool: connections.Pool) -> None:
    """The last 1,000 offsets before a checkpoint stay, however old; so does what is not old."""
    await pool.execute(
        "INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, seen) "
        "VALUES ('t', 0, 1, '', 5000, '')"
    )
    await pool.execute(
        'INSERT INTO dead_letter (topic, partition, "offset", code, reason, received_at) '
        "SELECT topic, 0, place, 'bad', '', now() - days * interval '1 day' "
        "FROM (VALUES ('t', 3999, 91), ('t', 4000, 91), ('t', 1, 89), ('gone', 4999, 91)) AS each (topic, place, days)"
    )

    await keep(pool, dead_letters.MAINTENANCE)

    rows = await pool.fetch('SELECT topic, "offset" FROM dead_letter ORDER BY "offset"')
    assert [("t", 1), ("t", 4000)] == [tuple(row) for row in rows]


async def test_one_table_that_cannot_be_kept_does_not_stop_the_others(pool: connections.Pool) -> None:
    """It is tried again; the rest goes meanwhile."""
    await pool.execute("SELECT make_partition('event', $1, 86400)", LONG_AGO_S)

    done = await keep(pool, [Deletion("nothing", "DELETE FROM nothing"), Partitioned("event")])

    assert (False, None) == (
        done,
        await pool.fetchval("SELECT to_regclass(partition_since('event', $1))::text", LONG_AGO_S),
    )


async def test_an_operator_says_how_long_rows_are_kept(pool: connections.Pool) -> None:
    """The table `retention` does; less than repeats and late points need is refused."""
    await pool.execute("UPDATE retention SET keep = interval '10 days' WHERE table_name = 'event'")
    await keep(pool, TASKS)
    oldest = await pool.fetchval(f"SELECT min(relname) FROM ({FINE.format('event')}) AS each")

    assert oldest == await pool.fetchval(
        "SELECT 'event_' || to_char((now() - interval '11 days') AT TIME ZONE 'UTC', 'YYYYMMDD\"t0000\"')"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("UPDATE retention SET keep = interval '7 days' WHERE table_name = 'event_id'")


async def test_the_build_before_keeps_its_tables_by_the_old_names(pool: connections.Pool, dsn: str) -> None:
    """Its statements still work while both builds run, and wait for a backup no more."""
    await pool.execute(f"DROP TABLE {await of_now(pool, 'event')}")
    async with backup(dsn):
        await pool.execute(
            "SELECT ensure_partitions('event', interval '1 day', interval '1 day', interval '30 days')"
        )
        await pool.execute("SELECT keep_rollups()")

    assert await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", await of_now(pool, "event"))


async def test_every_task_of_every_service_runs_on_empty_tables(pool: connections.Pool) -> None:
    """A table that `retention` does not name would be an error here."""
    await prepare(pool, EVERY)

    assert await keep(pool, EVERY)
