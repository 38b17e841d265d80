"""What a silence holds back, what it does not, and what is told when it ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.alerts.dispatch.adapters.handover import WithinTransaction
from services.alerts.dispatch.adapters.notifications import MAINTENANCE
from services.alerts.dispatch.adapters.reconciler import Reconciler
from services.alerts.dispatch.router import route
from shared.alerts.silences import tables
from shared.alerts.silences.matchers import Matcher
from shared.postgres import maintenance
from shared.postgres.connections import Pool
from shared.runtime.clock import now_ms
from tests.support.alert_system import System, alert_system
from tests.support.alerting import closed, tick
from tests.support.http.webhook import Reply
from tests.support.wait import until

pytestmark = pytest.mark.servers

BREACH, CALM = closed([(1, 100, 9.0)]), closed([(1, 101, 1.0)])
"""Series 1 breaches in window 100 and is calm in window 101."""

HOUR_MS = 3_600_000


@pytest_asyncio.fixture
async def system(pool: Pool) -> AsyncIterator[System]:
    """Tables and silences that no other test sees: its series have a label of their own."""
    async with alert_system(pool) as made:
        made.mark_series()
        yield made
        await pool.execute("DELETE FROM silence WHERE comment = $1", made.topic)


async def silence(system: System, *matchers: Matcher, starts_ms: int = 0) -> str:
    """Silence the alerts of this system alone; the silence's id."""
    mine = Matcher("system", "=", system.topic)
    new = tables.New(7, [mine, *matchers], starts_ms, now_ms() + HOUR_MS, "mk", system.topic, "k")
    async with system.pool.acquire() as conn:
        return (await tables.insert(conn, new)).silence.silence_id


async def end(system: System, silence_id: str) -> None:
    """End a silence now."""
    async with system.pool.acquire() as conn:
        assert await tables.expire(conn, 7, silence_id, "mk") is not None


async def outcome(system: System) -> list[tuple[str, int, str | None]]:
    """What became of the notifications, in order: what they say, attempts, problem."""
    query = "SELECT transition, attempts, problem FROM notification WHERE topic = $1 ORDER BY notification_id"
    return [tuple(row) for row in await system.pool.fetch(query, system.topic)]


async def test_what_fires_and_ends_within_a_silence_is_not_told(system: System) -> None:
    """Neither FIRING nor RESOLVED, and the rows say which silence it was."""
    silenced = await silence(system)
    await system.evaluate(BREACH, tick(101))
    first = await system.turn()
    await system.evaluate(CALM, tick(102))
    second = await system.turn()
    await end(system, silenced)

    assert ([], [], []) == (first, second, await system.turn())
    problem = f"fired and ended within silence {silenced}"
    assert [("firing", 0, problem), ("resolved", 0, problem)] == await outcome(system)


async def test_what_still_fires_is_told_when_its_silence_ends(system: System) -> None:
    """Once, and its end then too."""
    silenced = await silence(system)
    await system.evaluate(BREACH, tick(101))
    before = await system.turn()
    await end(system, silenced)
    after = await system.turn()
    await system.evaluate(CALM, tick(102))

    assert ([], ["firing Slow"]) == (before, after)
    assert ["firing Slow", "resolved Slow"] == await system.turn()


async def test_who_was_told_firing_is_told_resolved(system: System) -> None:
    """Whatever is silenced meanwhile; what fires anew within the silence is not told."""
    await system.evaluate(BREACH, tick(101))
    await system.turn()
    await silence(system)
    await system.evaluate(CALM, tick(102))
    heard = await system.turn()
    await system.evaluate(closed([(1, 102, 9.0)]), tick(103))

    assert ["firing Slow", "resolved Slow"] == heard == await system.turn()


async def test_what_was_attempted_goes_on(system: System) -> None:
    """A receiver that may have heard of it is told of it, and of its end, though a silence began meanwhile."""
    system.webhook.answer(Reply(500))
    await system.evaluate(BREACH, tick(101))
    await system.turn()
    await silence(system)
    await system.evaluate(CALM, tick(102))
    await route(system.outbox, [system.pager])
    await system.reconciler.reconcile()
    await system.deliver_until(3)

    assert ["firing Slow", "firing Slow", "resolved Slow"] == system.heard()


async def test_a_silence_is_heeded_however_late_it_is_seen(system: System) -> None:
    """What waits for its first attempt is held back by one that was made after it was routed."""
    await system.evaluate(BREACH, tick(101))
    await route(system.outbox, [system.pager])
    silenced = await silence(system)
    before = await system.turn()
    await end(system, silenced)

    assert ([], ["firing Slow"]) == (before, await system.turn())


@pytest.mark.parametrize(
    ("matcher", "told"),
    [
        pytest.param(Matcher("endpoint", "=", "/1"), [], id="equal"),
        pytest.param(Matcher("endpoint", "=", "/2"), ["firing Slow"], id="another"),
        pytest.param(Matcher("endpoint", "!=", "/2"), [], id="unequal"),
        pytest.param(Matcher("endpoint", "=~", "/[0-9]"), [], id="pattern"),
        pytest.param(Matcher("endpoint", "=~", "[0-9]"), ["firing Slow"], id="not the whole value"),
        pytest.param(Matcher("endpoint", "!~", "/[2-9]"), [], id="no pattern"),
        pytest.param(Matcher("region", "=", ""), [], id="absent is empty"),
        pytest.param(Matcher("severity", "=", "critical"), [], id="label of the rule"),
    ],
)
async def test_a_silence_is_about_labels(system: System, matcher: Matcher, told: list[str]) -> None:
    """Its matchers say which alerts, as those of Alertmanager do."""
    await silence(system, matcher)
    await system.evaluate(BREACH, tick(101))

    assert told == await system.turn()


async def test_a_silence_to_come_holds_back_nothing(system: System) -> None:
    """It begins when it says so."""
    await silence(system, starts_ms=now_ms() + HOUR_MS // 2)
    await system.evaluate(BREACH, tick(101))

    assert ["firing Slow"] == await system.turn()


async def test_an_alert_of_another_tenant_is_not_silenced(system: System) -> None:
    """Equal labels do not make it theirs."""
    new = tables.New(
        8, [Matcher("system", "=", system.topic)], 0, now_ms() + HOUR_MS, "mk", system.topic, "k"
    )
    async with system.pool.acquire() as conn:
        await tables.insert(conn, new)
    await system.evaluate(BREACH, tick(101))

    assert ["firing Slow"] == await system.turn()


async def test_what_is_routed_within_the_transaction_is_silenced_too(system: System) -> None:
    """While builds of version 4 may follow, a commit routes: it heeds the same silences."""
    await silence(system)
    await system.evaluate(
        BREACH, tick(101), within=WithinTransaction(system.topic, [system.pager], lambda: None)
    )

    assert [] == await system.turn()


async def test_many_processes_tell_what_a_silence_let_go_once(system: System) -> None:
    """Each looks after the silences; one of them at a time."""
    silenced = await silence(system)
    await system.evaluate(BREACH, tick(101))
    await system.turn()
    await end(system, silenced)
    others = [Reconciler(system.pool, system.topic, [system.pager]) for _ in range(6)]
    let_go = await asyncio.gather(*(each.reconcile() for each in others))
    await asyncio.gather(*(system.deliver() for _ in range(3)))

    assert (1, ["firing Slow"]) == (sum(let_go), system.heard())


async def test_what_is_held_back_outlives_the_retention_of_what_was_told(system: System) -> None:
    """A silence of a month ends in a page, if it still fires."""
    silenced = await silence(system)
    await system.evaluate(BREACH, tick(101))
    await system.turn()
    await system.pool.execute(
        "UPDATE notification SET created_at = now() - interval '30 days' WHERE topic = $1", system.topic
    )
    await maintenance.keep(system.pool, MAINTENANCE)
    await end(system, silenced)
    system.webhook.answer(Reply(500))
    await system.turn()
    due = await outcome(system)

    async def again() -> bool:
        return await system.turn() == ["firing Slow", "firing Slow"]

    await until(again, "it is told at the second attempt", 10)
    assert [("firing", 1, "500: {}")] == due
