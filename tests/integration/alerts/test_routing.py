"""From transitions to what receivers hear: routed after the commit or within it, rendered at delivery or before."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from services.alerts.dispatch.adapters.handover import WithinTransaction
from services.alerts.dispatch.adapters.notifications import MAINTENANCE
from services.alerts.dispatch.router import Router, route
from shared.postgres import maintenance
from shared.postgres.connections import Pool
from tests.support.alert_system import System, alert_system
from tests.support.http.webhook import Reply

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def system(pool: Pool) -> AsyncIterator[System]:
    """Tables that no other test sees, and a receiver that answers 200."""
    async with alert_system(pool) as made:
        yield made


async def test_a_transition_is_rendered_when_it_is_delivered(system: System) -> None:
    """FIRING and RESOLVED in the order of the log, pending for nobody; nothing but the key is written before."""
    transitions = await system.commit()
    routed = await route(system.outbox, [system.pager])
    rows = await system.notifications()
    await system.deliver()

    assert (4, [(each.key, None) for each in transitions]) == (routed, rows)
    assert [(each.key, orjson.loads(system.pager.render(each))) for each in transitions] == [
        (request.key, request.body) for request in system.webhook.received
    ]


async def test_the_build_before_can_deliver_what_is_routed_within_the_transaction(system: System) -> None:
    """Nothing is left in the outbox that it does not know, and every row has its body."""
    within = WithinTransaction(system.topic, [system.pager], lambda: None)
    transitions = await system.commit(within)

    assert [(each.key, orjson.loads(system.pager.render(each))) for each in transitions] == [
        (key, orjson.loads(body or b"null")) for key, body in await system.notifications()
    ]
    assert 0 == await system.waiting()


async def test_what_the_build_before_rendered_is_delivered_as_it_stands(system: System) -> None:
    """Its bytes are those that its receivers were promised."""
    await system.pool.execute(
        "INSERT INTO notification (topic, receiver, key, rule, series_id, body) VALUES ($1, 'pager', $1, 'g/A', 1, $2)",
        system.topic, b'{"rendered": "before"}',
    )  # fmt: skip
    await system.deliver()

    assert [{"rendered": "before"}] == [request.body for request in system.webhook.received]


async def test_many_routers_keep_the_order_and_route_once(system: System) -> None:
    """Each process has a router; whatever they do at once, each transition has one row a receiver."""
    transitions = await system.commit()
    await asyncio.gather(*(route(system.outbox, [system.pager]) for _ in range(8)))

    assert ([each.key for each in transitions], 0) == (
        [key for key, _ in await system.notifications()], await system.waiting()
    )  # fmt: skip


async def test_a_router_that_stops_leaves_nothing(system: System) -> None:
    """What is committed by then is routed, and owners are woken."""
    woken: list[bool] = []
    router = Router(system.outbox, system.reconciler, [system.pager], lambda: woken.append(True))
    transitions = await system.commit()
    router.stop()
    await router.run()

    assert (len(transitions), [True]) == (len(await system.notifications()), woken)


async def test_a_notification_without_its_transition_is_given_up(system: System) -> None:
    """Somebody deleted the transition: the row says so, and those behind it go on."""
    transitions = await system.commit()
    await route(system.outbox, [system.pager])
    await system.pool.execute("DELETE FROM alert_event WHERE key = $1", transitions[0].key)
    await system.deliver()
    problem = await system.pool.fetchval(
        "SELECT problem FROM notification WHERE key = $1 AND given_up_at IS NOT NULL", transitions[0].key
    )

    assert "its transition is no longer in alert_event" == problem
    assert [transitions[1].key] == system.webhook.keys


async def test_what_is_too_large_loses_its_annotations(system: System) -> None:
    """413 once: the next attempt says the same alert under the same key, in fewer bytes."""
    transitions = await system.commit()
    await route(system.outbox, [system.pager])
    system.webhook.answer(Reply(413))
    await system.deliver_until(3)
    first, second, _ = system.webhook.received

    assert [transitions[0].key] * 2 == [first.key, second.key]
    assert [{"summary": "9 s"}, {}] == [each.body["alerts"][0]["annotations"] for each in (first, second)]
    assert first.body["alerts"][0]["labels"] == second.body["alerts"][0]["labels"]


async def test_notifications_are_kept_for_a_week(system: System) -> None:
    """Older ones were given up long ago."""
    await system.commit()
    await route(system.outbox, [system.pager])
    await system.pool.execute(
        "UPDATE notification SET created_at = now() - interval '8 days' WHERE topic = $1", system.topic
    )
    await maintenance.keep(system.pool, MAINTENANCE)

    assert [] == await system.notifications()
