"""Alerts that are told together: at once when a group was silent, then an interval apart, each once whatever fails."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
import pytest
import pytest_asyncio

from services.alerts.dispatch.adapters.groups import GroupedNotifications
from services.alerts.dispatch.adapters.receivers.webhook import Webhook as WebhookReceiver
from services.alerts.dispatch.owner import ReceiverOwner
from services.alerts.dispatch.router import route
from services.alerts.domain.transition import Transition
from shared.postgres.connections import Pool
from tests.support.alert_system import System, alert_system
from tests.support.alerting import closed, tick
from tests.support.http.webhook import ReceivedRequest, Reply
from tests.support.wait import until

pytestmark = pytest.mark.servers

SERIES = (1, 2, 3)


@dataclass
class Grouping:
    """A system whose receiver is told of alerts by name."""

    system: System
    pager: WebhookReceiver
    interval_s: float = 3600.0
    max_members: int = 500

    def queue(self) -> GroupedNotifications:
        """Its notifications, as one process sees them."""
        return GroupedNotifications(
            self.system.pool, self.system.topic, interval_s=self.interval_s, max_members=self.max_members
        )

    async def window(self, number: int, **values: float) -> list[Transition]:
        """A window with a value for some series, evaluated and routed; what receivers are to hear of."""
        rows = [(int(name[1:]), number, value) for name, value in values.items()]
        transitions = await self.system.evaluate(closed(rows), tick(number + 1))
        await route(self.system.outbox, [self.pager])
        return transitions

    async def deliver(self) -> list[list[str]]:
        """All that is due; the messages so far, each as its alerts."""
        owner = ReceiverOwner(self.queue(), self.pager)
        owner.stop()
        await owner.run()
        return self.messages()

    def messages(self) -> list[list[str]]:
        """What came: the alerts of each message."""
        return [said(request) for request in self.system.webhook.received]

    async def becomes(self, count: int) -> None:
        """Deliver until so many requests came."""
        owner = ReceiverOwner(self.queue(), self.pager, 0.05)
        running = asyncio.create_task(owner.run())

        async def fact() -> bool:
            return len(self.system.webhook.received) >= count

        await until(fact, f"{count} requests", 20)
        owner.stop()
        await running


def said(request: ReceivedRequest) -> list[str]:
    """The alerts of a message, as state and endpoint."""
    return [f"{each['status']} {each['labels']['endpoint']}" for each in request.body["alerts"]]


@pytest_asyncio.fixture
async def grouping(pool: Pool) -> AsyncIterator[Grouping]:
    """A receiver with groups by name, an hour apart."""
    async with alert_system(pool) as system:
        pager = WebhookReceiver("pager", system.webhook.url, group_by=("alertname",))
        made = Grouping(system, pager)
        yield made
        await made.pager.close()


async def test_the_first_message_of_a_group_leaves_at_once_with_all_that_is_due(grouping: Grouping) -> None:
    """In the format of Alertmanager's webhooks: what is common, and each alert."""
    await grouping.window(100, s1=9.0, s2=9.0, s3=8.0)
    messages = await grouping.deliver()
    body = grouping.system.webhook.received[0].body

    assert [["firing /1", "firing /2", "firing /3"]] == messages
    assert ('{}:{alertname="Slow", tenant="7"}', {"alertname": "Slow", "tenant": "7"}, "firing") == (
        body["groupKey"], body["groupLabels"], body["status"]
    )  # fmt: skip
    assert {"alertname": "Slow", "tenant": "7", "severity": "critical"} == body["commonLabels"]
    assert {} == body["commonAnnotations"]


async def test_what_comes_then_waits_for_the_interval(grouping: Grouping) -> None:
    """And is told in one message."""
    await grouping.window(100, s1=9.0)
    await grouping.deliver()
    await grouping.window(101, s1=9.0, s2=9.0)
    await grouping.window(102, s1=9.0, s2=9.0, s3=9.0)
    waiting = await grouping.deliver()
    grouping.interval_s = 0.0

    assert [["firing /1"]] == waiting
    assert [["firing /1"], ["firing /2", "firing /3"]] == await grouping.deliver()


async def test_a_group_that_is_over_is_told_so_at_once(grouping: Grouping) -> None:
    """Not one whose other alerts still fire."""
    await grouping.window(100, s1=9.0, s2=9.0)
    await grouping.deliver()
    await grouping.window(101, s1=1.0, s2=9.0)
    waiting = await grouping.deliver()
    await grouping.window(102, s2=1.0)
    messages = await grouping.deliver()

    assert [["firing /1", "firing /2"]] == waiting
    assert [["firing /1", "firing /2"], ["resolved /1", "resolved /2"]] == messages
    assert "resolved" == grouping.system.webhook.received[1].body["status"]


async def test_groups_do_not_wait_for_each_other(grouping: Grouping) -> None:
    """A group by endpoint is another for each."""
    await grouping.pager.close()
    grouping.pager = WebhookReceiver("pager", grouping.system.webhook.url, group_by=("endpoint",))
    await grouping.window(100, s1=9.0)
    await grouping.deliver()
    await grouping.window(101, s1=9.0, s2=9.0)

    assert [["firing /1"], ["firing /2"]] == await grouping.deliver()


async def test_a_message_is_repeated_with_the_same_members_and_bytes(grouping: Grouping) -> None:
    """Under one key; what is due meanwhile waits for the next one."""
    grouping.system.webhook.answer(Reply(500), Reply(503))
    await grouping.window(100, s1=9.0, s2=9.0)
    await grouping.deliver()
    await grouping.window(101, s1=9.0, s2=9.0, s3=9.0)
    await grouping.becomes(3)
    first, second, third = grouping.system.webhook.received
    grouping.interval_s = 0.0

    assert first.key == second.key == third.key
    assert orjson.dumps(first.body) == orjson.dumps(second.body) == orjson.dumps(third.body)
    assert ["firing /3"] == (await grouping.deliver())[3]


async def test_a_message_that_is_too_large_is_halved(grouping: Grouping) -> None:
    """Down to single alerts, which lose their annotations."""
    grouping.system.webhook.otherwise = lambda request: Reply(
        413 if len(request.body["alerts"]) > 1 or request.body["alerts"][0]["annotations"] else 200
    )
    await grouping.window(100, s1=9.0, s2=9.0, s3=9.0)
    await grouping.becomes(8)
    whole = [each for each in grouping.system.webhook.received if each.body["alerts"][0]["annotations"] == {}]

    assert {"firing /1", "firing /2", "firing /3"} == {name for each in whole for name in said(each)}
    assert 3 == len(whole)


async def test_more_than_a_message_holds_leaves_in_several_at_once(grouping: Grouping) -> None:
    """No alert waits for an interval because others were first."""
    grouping.max_members = 1
    await grouping.window(100, s1=9.0, s2=9.0, s3=9.0)
    await grouping.becomes(3)

    assert [["firing /1"], ["firing /2"], ["firing /3"]] == sorted(grouping.messages())


async def test_many_processes_tell_each_alert_once(grouping: Grouping) -> None:
    """Two dispatchers never send one message, whatever they do at once; the order of each alert is kept."""
    grouping.interval_s, chance = 0.0, random.Random(3)
    grouping.system.webhook.otherwise = lambda _: Reply(500 if chance.random() < 0.2 else 200)
    owners = [ReceiverOwner(grouping.queue(), grouping.pager, 0.05) for _ in range(4)]
    running = [asyncio.create_task(owner.run()) for owner in owners]
    told: list[str] = []
    for number in range(100, 112):
        values = {f"s{series}": chance.choice([1.0, 9.0]) for series in SERIES}
        told += [each.key for each in await grouping.window(number, **values)]

    async def all_delivered() -> bool:
        query = "SELECT count(*) FROM notification WHERE topic = $1 AND delivered_at IS NULL"
        return await grouping.system.pool.fetchval(query, grouping.system.topic) == 0

    await until(all_delivered, "all is delivered", 40)
    for owner in owners:
        owner.stop()
    await asyncio.gather(*running)
    keys = [request.key for request in grouping.system.webhook.received]
    first = {request.key: said(request) for request in grouping.system.webhook.received}
    of_one = {
        series: [
            each
            for each in (name for message in first.values() for name in message)
            if each.endswith(str(series))
        ]
        for series in SERIES
    }

    assert len(told) == sum(map(len, first.values()))
    assert all(said(each) == first[each.key] for each in grouping.system.webhook.received)
    assert len(set(keys)) < len(told)
    for heard in of_one.values():
        assert (
            heard
            == [f"{state} {heard[0].split()[1]}" for state in ("firing", "resolved") * len(heard)][
                : len(heard)
            ]
        )


async def test_what_is_silenced_is_in_no_message(grouping: Grouping) -> None:
    """Its group goes on without it."""
    await grouping.window(100, s1=9.0, s2=9.0)
    await grouping.system.pool.execute(
        "UPDATE notification SET muted_by = gen_random_uuid() WHERE topic = $1 AND series_id % 256 = 1",
        grouping.system.topic,
    )

    assert [["firing /2"]] == await grouping.deliver()


async def test_what_belongs_to_no_group_is_told_alone(grouping: Grouping) -> None:
    """Rows of the build before, and of commits that render, have their bytes."""
    await grouping.system.pool.execute(
        "INSERT INTO notification (topic, receiver, key, rule, series_id, body) VALUES ($1, 'pager', $1, 'g/A', 1, $2)",
        grouping.system.topic, b'{"rendered": "before", "alerts": []}',
    )  # fmt: skip
    await grouping.window(100, s2=9.0)

    assert [[], ["firing /2"]] == sorted(await grouping.deliver())
