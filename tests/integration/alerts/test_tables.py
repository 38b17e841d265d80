"""What evaluation writes: alerts that come back, transitions and their outbox, and old rows that go."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from services.alerts.domain.identity import alert_id
from services.alerts.evaluation.adapters.postgres import MAINTENANCE, AlertTables
from services.alerts.evaluation.domain.alert import Alert
from services.alerts.evaluation.service import AlertWork, PartitionAlerts
from shared.alerts.rules.model import Rule
from shared.errors import Misconfigured
from shared.model.window import BASE_MS
from shared.postgres import maintenance
from shared.postgres.connections import Pool
from shared.stream.processor import Checkpoint, Cut, Key, Stored
from tests.support.alerting import closed, describe_in, live, partition, rule, tick

pytestmark = pytest.mark.servers


def partition_key() -> Key:
    """A partition of a topic of its own."""
    return Key(f"t{random.SystemRandom().randrange(1 << 40)}.windows", 3)


def judged(key: Key, *rules: Rule) -> PartitionAlerts:
    """A partition whose series no other test has."""
    state = partition(*rules)
    state.describe = describe_in(key.topic)
    return state


def cut(key: Key, work: AlertWork, time: int) -> Cut[AlertWork]:
    """A cut with this work."""
    return Cut(key, 1, 0, 1, Checkpoint(work, time * BASE_MS, b"", None))


async def save(pool: Pool, key: Key, state: PartitionAlerts, time: int) -> None:
    """Write what the fold has gathered, as the pump does."""
    async with pool.acquire() as conn, conn.transaction():
        await AlertTables().save(conn, [cut(key, state.checkpoint(), time)])


async def restored(pool: Pool, key: Key, time: int | None) -> list[Alert]:
    """What a new owner finds."""
    watermark_ms = None if time is None else time * BASE_MS
    async with pool.acquire() as conn:
        found = await AlertTables().restore(conn, {key: Stored(2, 1, watermark_ms, b"", None)})
    return list(found[key])


def standing(alerts: Iterable[Alert]) -> list[tuple[Any, ...]]:
    """All that can be seen of alerts."""
    return sorted(
        (
            a.rule.key, a.rule.comparison, a.series.series_id, a.series.tenant_id, a.state, a.episode_ms,
            a.active_at_ms, a.last_closed_ms, a.last_breach_ms, a.value, a.fired_at_ms, a.resolved_at_ms,
            a.series.is_level, a.heard_ms, a.heard_window_ms, a.hearings, a.gap_ms, a.recovering_since_ms,
            sorted(a.labels.items()),
        )
        for a in alerts
    )  # fmt: skip


async def test_a_new_owner_finds_alerts_as_they_stood(pool: Pool) -> None:
    """Those that last, and those that ended in a window which is still open."""
    key = partition_key()
    state = judged(key, rule(), rule("api:response_seconds:p95_10s > 3", 60, alert="Lasting"))
    for message in (
        live([(1, 100, 9.0)]),
        closed([(1, 100, 9.0), (2, 100, 4.0), (3, 100, 8.0)]),
        tick(101),
        closed([(1, 101, 7.0), (3, 101, 1.0)]),
    ):
        state.fold(message)
    await save(pool, key, state, 101)
    ended = {(a.rule.key, a.state) for a in await restored(pool, key, 101) if a.series.series_id % 256 == 3}

    assert standing(state.alerts.values()) == standing(await restored(pool, key, 101))
    assert {("g/Slow", "resolved"), ("g/Lasting", "resolved")} == ended
    assert (3, 5) == (len(await restored(pool, key, 102)), len(await restored(pool, key, None)))


async def test_a_new_owner_knows_how_a_series_was_heard(pool: Pool) -> None:
    """What recovers goes on recovering, and silence is as long as it was."""
    key = partition_key()
    state = judged(key, rule(keep_firing_ms=60_000))
    for message in (closed([(2, 100, 9.0)], 101), tick(101), closed([(2, 103, 1.0)], 105), tick(105)):
        state.fold(message)
    await save(pool, key, state, 105)
    (alert,) = await restored(pool, key, 105)

    assert standing(state.alerts.values()) == standing([alert])
    assert (True, 105, 103, 2, 4, 104) == (
        alert.series.is_level, alert.heard_ms // BASE_MS, alert.heard_window_ms // BASE_MS, alert.hearings,
        alert.gap_ms // BASE_MS, (alert.recovering_since_ms or 0) // BASE_MS,
    )  # fmt: skip


async def test_the_outbox_names_each_transition_once(pool: Pool) -> None:
    """In the order of the log, without a receiver or a text; what is written twice is there once."""
    key = partition_key()
    for _ in range(2):
        state = judged(key, rule(), rule("api:response_seconds:p95_10s > 3", 60, alert="Lasting"))
        for message in (closed([(1, 100, 9.0)]), tick(101), closed([(1, 101, 1.0)]), tick(102)):
            state.fold(message)
        await save(pool, key, state, 102)
    rows = await pool.fetch(
        "SELECT rule, transition FROM alert_outbox WHERE topic = $1 ORDER BY outbox_id", key.topic
    )
    events = await pool.fetch(
        "SELECT transition, reason, e.value FROM alert_event e JOIN alert_instance USING (rule, series_id) "
        "WHERE topic = $1 AND rule = 'g/Slow' ORDER BY at_ms",
        key.topic,
    )

    assert [
        ("g/Slow", "firing"), ("g/Lasting", "pending"), ("g/Slow", "resolved"), ("g/Lasting", "cancelled"),
    ] == [tuple(row) for row in rows]  # fmt: skip
    assert [("firing", "breach", 9.0), ("resolved", "clear", 1.0)] == [tuple(row) for row in events]


async def test_database_and_service_name_alerts_alike(pool: Pool) -> None:
    """By the same bytes, whatever signs the labels hold; a column that nobody writes."""
    for labels in ({}, {"b": "2", "a": "1"}, {"é": "\\", "a.b": "it's", "z": "\n", "𝄞": "\u2028", "ｚ": ""}):
        found = await pool.fetchval("SELECT alert_id_of(7, 'g/Ä', $1::jsonb)", json.dumps(labels))
        assert alert_id(7, "g/Ä", labels) == found
    key = partition_key()
    state = judged(key, rule())
    state.fold(closed([(1, 100, 9.0)]))
    transitions = list(state.checkpoint().transitions)
    state.fold(closed([(1, 101, 9.0)]))
    await save(pool, key, state, 102)
    ids = await pool.fetch("SELECT alert_id FROM alert_instance WHERE topic = $1", key.topic)

    assert [each.alert_id for each in transitions] == [row["alert_id"] for row in ids]


async def test_a_series_in_two_partitions_harms_nobody(pool: Pool) -> None:
    """A foreign record may bring that about; the commit goes on."""
    key = partition_key()
    state = judged(key, rule())
    state.fold(closed([(1, 100, 9.0)]))
    work = state.checkpoint()
    async with pool.acquire() as conn, conn.transaction():
        cuts = [cut(key, work, 101), cut(Key(key.topic, 4), work, 101)]
        await AlertTables().save(conn, cuts)

    assert 1 == await pool.fetchval("SELECT count(*) FROM alert_instance WHERE topic = $1", key.topic)


async def test_an_alert_that_cannot_be_read_stops_the_start(pool: Pool) -> None:
    """It says which one, and what to do."""
    key = partition_key()
    state = judged(key, rule())
    state.fold(closed([(1, 100, 9.0)]))
    await save(pool, key, state, 101)
    await pool.execute("UPDATE alert_instance SET expr = 'of the future' WHERE topic = $1", key.topic)

    with pytest.raises(Misconfigured, match=r"g/Slow.*'of the future'.*--without-state"):
        await restored(pool, key, 101)


async def test_what_is_past_retention_goes(pool: Pool) -> None:
    """400 days for what happened; what lasts stays."""
    key = partition_key()
    state = judged(key, rule())
    ended = closed([(1, 101, 9.0), (2, 101, 1.0)])
    for message in (closed([(1, 100, 9.0), (2, 100, 9.0)]), tick(101), ended, tick(102)):
        state.fold(message)
    await save(pool, key, state, 102)
    await pool.execute(
        "UPDATE alert_event SET recorded_at = now() - interval '401 days' WHERE (rule, series_id) IN "
        "(SELECT rule, series_id FROM alert_instance WHERE topic = $1 AND state = 'resolved')",
        key.topic,
    )
    await pool.execute(
        "UPDATE alert_instance SET updated_at = now() - interval '401 days' WHERE topic = $1", key.topic
    )
    await maintenance.keep(pool, MAINTENANCE)
    alerts = await pool.fetch("SELECT rule, series_id, state FROM alert_instance WHERE topic = $1", key.topic)
    events = await pool.fetchval(
        "SELECT count(*) FROM alert_event WHERE series_id BETWEEN $1::bigint - 10 AND $1::bigint + 10",
        alerts[0]["series_id"],
    )

    assert (["firing"], 1) == ([row["state"] for row in alerts], events)
