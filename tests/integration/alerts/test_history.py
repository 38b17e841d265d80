"""What rules with ranges look back on is there for the next owner: kept once, forgotten when nothing reaches it."""

import random

import pytest

from deploy.postgres import partitions
from services.alerts.evaluation.adapters.history import HistoryTables, Kept
from services.alerts.evaluation.service import PartitionAlerts
from shared.errors import Misconfigured, UnknownVersion
from shared.model.window import BASE_MS
from shared.postgres.connections import Pool
from shared.stream.processor import Checkpoint, Cut, Key, Stored
from tests.support.alerting import changes, closed, partition, rule, tick

pytestmark = pytest.mark.servers

SUM = rule("increase(api_response_seconds[40s]) > 5")


def partition_key() -> Key:
    """A partition of a topic of its own."""
    return Key(f"t{random.SystemRandom().randrange(1 << 40)}.windows", 3)


async def save(pool: Pool, key: Key, state: PartitionAlerts, end: int) -> None:
    """Write what the fold has gathered, as the pump does."""
    cut = Cut(key, 1, 0, end, Checkpoint(state.checkpoint(), state.time_ms, b"", None))
    async with pool.acquire() as conn, conn.transaction():
        await HistoryTables().save(conn, [cut])


async def restored(pool: Pool, key: Key, time: int) -> Kept | UnknownVersion:
    """What a new owner finds."""
    async with pool.acquire() as conn:
        found = await HistoryTables().restore(conn, {key: Stored(2, 1, time * BASE_MS, b"", None)})
    return found[key]


async def test_a_new_owner_goes_on_with_a_range(pool: Pool) -> None:
    """Half of the sum came before it took over, in two commits; it fires where one owner would have fired."""
    key = partition_key()
    state = partition(SUM)
    for message in (tick(1), tick(5), closed([(1, 5, 2.0), (3, 5, 1.0)], 6), tick(6)):
        state.fold(message)
    await save(pool, key, state, 10)
    for message in (closed([(1, 6, 2.0)], 7), tick(7)):
        state.fold(message)
    await save(pool, key, state, 20)
    kept = await restored(pool, key, 7)
    assert isinstance(kept, Kept)
    other = partition(SUM, time=7)
    other.history.restore(kept.windows, kept.since_ms, 7 * BASE_MS)
    for message in (closed([(1, 7, 2.0)], 8), tick(8)):
        other.fold(message)

    assert [("firing", "breach", 7)] == changes(other.checkpoint())
    assert [2, 1] == [len(one.rows) for one in kept.windows]


async def test_what_no_range_reaches_goes(pool: Pool) -> None:
    """And all of it with the last rule that reads it."""
    key = partition_key()
    state = partition(SUM)
    state.fold(tick(1))
    for window in range(5, 15):
        state.fold(closed([(1, window, 1.0)], window + 1))
        state.fold(tick(window + 1))
        await save(pool, key, state, window)
    lasting = await pool.fetch(
        "SELECT last_start_ms / 10000 AS at FROM alert_window WHERE topic = $1 ORDER BY 1", key.topic
    )
    state.rule_set.replace([])
    state.fold(tick(16))
    await save(pool, key, state, 20)
    left = await pool.fetchval(
        "SELECT (SELECT count(*) FROM alert_window WHERE topic = $1) + count(*) FROM alert_coverage WHERE topic = $1",
        key.topic,
    )

    assert ([12, 13, 14], 0) == ([row["at"] for row in lasting], left)


async def test_windows_of_another_version_stop_their_partition_alone(pool: Pool) -> None:
    """A build that can read them is to take it over."""
    key = partition_key()
    state = partition(SUM)
    for message in (tick(1), closed([(1, 5, 2.0)], 6), tick(6)):
        state.fold(message)
    await save(pool, key, state, 10)
    await pool.execute("UPDATE alert_window SET body = $2 WHERE topic = $1", key.topic, b"\x81\xa1v\x63")

    assert isinstance(await restored(pool, key, 6), UnknownVersion)


async def test_windows_that_nobody_can_read_stop_the_start(pool: Pool) -> None:
    """It says which, and what to do."""
    key = partition_key()
    state = partition(SUM)
    for message in (tick(1), closed([(1, 5, 2.0)], 6), tick(6)):
        state.fold(message)
    await save(pool, key, state, 10)
    await pool.execute("UPDATE alert_window SET body = $2 WHERE topic = $1", key.topic, b"\x80")

    with pytest.raises(Misconfigured, match="--without-state"):
        await restored(pool, key, 6)


def test_a_reset_without_state_forgets_them() -> None:
    """As it forgets alerts."""
    dropped = " ".join(partitions._DROP_STATE)

    assert [True, True] == [table in dropped for table in ("alert_window", "alert_coverage")]
