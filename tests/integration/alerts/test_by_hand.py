"""An episode that somebody ends by hand: who is told, once, and what happens when it goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.alerts.dispatch.adapters.by_hand import MAINTENANCE
from services.alerts.dispatch.adapters.receivers.topic import AlertTopic
from services.alerts.dispatch.adapters.reconciler import Reconciler
from services.alerts.dispatch.router import route
from shared.postgres import maintenance
from shared.postgres.connections import Pool
from shared.runtime.kafka import Sender
from tests.support.alert_system import System, alert_system
from tests.support.alerting import closed, tick

pytestmark = pytest.mark.servers

BREACH, CALM = closed([(1, 100, 9.0)]), closed([(1, 101, 1.0)])
"""Series 1 breaches in window 100 and is calm in window 101."""

_NOTE = """
INSERT INTO alert_note (tenant_id, alert_id, rule, series_id, episode_ms, topic, action, actor, text, key_id)
SELECT tenant_id, alert_id, rule, series_id, episode_ms, topic, 'resolve', $2, 'rolled back', 'k'
FROM alert_instance WHERE topic = $1 AND rule = 'g/Slow'
"""


@pytest_asyncio.fixture
async def system(pool: Pool) -> AsyncIterator[System]:
    """An alert that fires, and a receiver that was told so."""
    async with alert_system(pool) as made:
        await made.evaluate(BREACH, tick(101))
        await made.turn()
        yield made


async def resolve(system: System, actor: str = "mk") -> None:
    """Somebody says that it is over."""
    await system.pool.execute(_NOTE, system.topic, actor)


async def an_hour_passes(system: System) -> None:
    """What was told is an hour older."""
    await system.pool.execute(
        "UPDATE alert_note SET dispatched_at = dispatched_at - interval '1 hour' WHERE topic = $1",
        system.topic,
    )


async def test_receivers_are_told_once_that_it_is_over(system: System) -> None:
    """By whom, under a key of its own; the end that evaluation finds later is told to nobody."""
    await resolve(system)
    await system.turn()
    body = system.webhook.received[1].body
    await system.evaluate(CALM, tick(102))

    assert ["firing Slow", "resolved Slow"] == await system.turn()
    assert ("9 s", "mk: rolled back") == (
        body["commonAnnotations"]["summary"], body["commonAnnotations"]["resolved_by"]
    )  # fmt: skip
    assert body["alerts"][0]["endsAt"] > "2026"
    assert 2 == len(set(system.webhook.keys))


async def test_what_goes_on_for_an_hour_is_told_again(system: System) -> None:
    """FIRING once more, and then its end."""
    await resolve(system)
    before = await system.turn()
    await an_hour_passes(system)
    after = await system.turn()
    again = await system.turn()
    await system.evaluate(CALM, tick(102))

    assert ["firing Slow", "resolved Slow"] == before
    assert ["firing Slow", "resolved Slow", "firing Slow"] == after == again
    assert [*again, "resolved Slow"] == await system.turn()
    assert 4 == len(set(system.webhook.keys))


async def test_what_ended_meanwhile_is_not_told_again(system: System) -> None:
    """Nor does a new episode know of the note."""
    await resolve(system)
    await system.turn()
    await system.evaluate(CALM, tick(102))
    await an_hour_passes(system)
    quiet = await system.turn()
    await system.evaluate(closed([(1, 102, 9.0)]), tick(103))

    assert (["firing Slow", "resolved Slow"], ["firing Slow", "resolved Slow", "firing Slow"]) == (
        quiet, await system.turn()
    )  # fmt: skip


async def test_two_people_at_once_are_told_of_once(system: System) -> None:
    """And so it is with six processes that look after it."""
    await resolve(system)
    await resolve(system, "on call")
    others = [Reconciler(system.pool, system.topic, [system.pager]) for _ in range(6)]
    await asyncio.gather(*(each.reconcile() for each in others))

    assert ["firing Slow", "resolved Slow"] == await system.turn()


async def test_the_topic_hears_what_evaluation_found(system: System) -> None:
    """It is the record of what happened; a note did not happen to the series."""
    topic = AlertTopic(Sender("127.0.0.1:9", "test"))
    await resolve(system)
    await system.turn()
    (resolved,) = await system.evaluate(CALM, tick(102))
    await route(system.outbox, [system.pager, topic])
    rows = await system.pool.fetch(
        "SELECT receiver FROM notification WHERE topic = $1 AND key = $2", system.topic, resolved.key
    )

    assert [topic.name] == [row["receiver"] for row in rows]


async def test_notes_are_kept_for_400_days(system: System) -> None:
    """Older ones go, whatever became of them."""
    await resolve(system)
    await resolve(system, "on call")
    await system.pool.execute(
        "UPDATE alert_note SET at = now() - interval '401 days' WHERE topic = $1 AND actor = 'mk'",
        system.topic,
    )
    await maintenance.keep(system.pool, MAINTENANCE)
    rows = await system.pool.fetch("SELECT actor FROM alert_note WHERE topic = $1", system.topic)

    assert ["on call"] == [row["actor"] for row in rows]
