"""From the outbox to receivers, with a real table, real HTTP and a real topic."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Event

import aiokafka
import pytest
import pytest_asyncio

from deploy.kafka import topics
from deploy.local.stack import Stack
from services.alerts.dispatch.adapters.notifications import Notifications
from services.alerts.dispatch.adapters.receivers.pagerduty import PagerDuty
from services.alerts.dispatch.adapters.receivers.signature import Signer
from services.alerts.dispatch.adapters.receivers.topic import AlertTopic
from services.alerts.dispatch.adapters.receivers.webhook import Webhook as WebhookReceiver
from services.alerts.dispatch.owner import ReceiverOwner
from services.alerts.dispatch.ports import DELIVERED, Payload
from shared.postgres.connections import Pool
from shared.runtime.clock import monotonic_s
from shared.runtime.kafka import Sender
from shared.wire.topics import ALERTS, Topic
from tests.support.alert_office import Office
from tests.support.http.webhook import Reply, Webhook
from tests.support.wait import until

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def office(pool: Pool) -> AsyncIterator[Office]:
    """An outbox that no other test sees."""
    made = Office(pool, f"w{random.SystemRandom().randrange(1 << 40)}.")
    yield made
    for task in made.running:
        task.cancel()
    await asyncio.gather(*made.running, return_exceptions=True)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A receiver that answers 200 unless told otherwise."""
    with Webhook() as made:
        yield made


@pytest_asyncio.fixture
async def call(webhook: Webhook) -> AsyncIterator[WebhookReceiver]:
    """What calls it."""
    made = WebhookReceiver("pager", webhook.url, limit_s=1.0)
    yield made
    await made.close()


async def test_what_is_due_is_told_once(office: Office, webhook: Webhook, call: WebhookReceiver) -> None:
    """The body arrives to the byte under its key, and nothing is told again."""
    await office.put("pager", "firing")
    office.deliver(call)
    await office.becomes("firing", "delivered 1")
    (delivered,) = webhook.received

    assert {"key": "firing", "partitionkey": "1"} == delivered.body
    assert (office.topic + "firing", "application/json", "tidegauge-alerts") == (
        delivered.key, delivered.headers["content-type"], delivered.headers["user-agent"]
    )  # fmt: skip


async def test_a_message_is_signed_anew_at_each_attempt(office: Office, webhook: Webhook) -> None:
    """The id stays, time and signature are those of the attempt, over the bytes that came."""
    secret = b"s" * 24
    signing = WebhookReceiver("pager", webhook.url, secrets=[secret])
    webhook.answer(Reply(500))
    await office.put("pager", "firing")
    office.deliver(signing)
    await office.becomes("firing", "delivered 2")
    await signing.close()

    for request in webhook.received:
        headers = {
            name: request.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        }
        body = b'{"key": "firing", "partitionkey": "1"}'
        assert Signer([secret]).headers(request.key, int(headers["webhook-timestamp"]), body) == headers


async def test_what_pagerduty_finds_wrong_is_given_up_at_once(office: Office, webhook: Webhook) -> None:
    """Its 400 is for ever; any other answer means what it means elsewhere. The routing key joins as it leaves."""
    pager = PagerDuty("pager", "k" * 32, url=webhook.url)
    webhook.answer(Reply(400, body=b"bad"), Reply(429), Reply(404))
    await office.put("pager", "firing", "resolved")
    office.deliver(pager)
    await office.becomes("resolved", "delivered 3")
    await pager.close()

    assert "given up 1 400: bad" == await office.state("firing")
    assert {"k" * 32} == {request.body["routing_key"] for request in webhook.received}


async def test_wakes_when_told(office: Office, webhook: Webhook, call: WebhookReceiver) -> None:
    """What a commit has written is told without waiting for the next look."""
    owner = office.deliver(call, poll_s=3600)
    for number in range(10):
        webhook.arrived.clear()
        await office.put("pager", f"firing {number}")
        owner.wake()
        assert await asyncio.to_thread(webhook.arrived.wait, 10)
    await office.becomes("firing 9", "delivered 1")

    assert [f"firing {number}" for number in range(10)] == office.delivered(webhook)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(Reply(500, body=b"no\x00t now"), "500: no t now", id="broken"),
        pytest.param(Reply(302, {"Location": "http://127.0.0.1:9/elsewhere"}), "302: {}", id="redirect"),
        pytest.param(Reply(hang_up=True), "RemoteProtocolError", id="hangs up"),
        pytest.param(Reply(408), "408: {}", id="timeout"),
    ],
)
async def test_is_tried_again(
    office: Office, webhook: Webhook, call: WebhookReceiver, reply: Reply, problem: str
) -> None:
    """Under the same key, after a pause, with the problem in sight; a redirect is not followed."""
    webhook.answer(reply, reply)
    await office.put("pager", "firing")
    office.deliver(call)
    await office.becomes("firing", f"due 2 {problem}")
    await office.becomes("firing", "delivered 3")

    assert ["firing"] * 3 == office.delivered(webhook)
    assert {"/told"} == {delivered.path for delivered in webhook.received}


@pytest.mark.parametrize(
    "hanging",
    [
        pytest.param(lambda never: Reply(500, release=never), id="nothing comes"),
        pytest.param(lambda never: Reply(500, held_body=never), id="no body comes"),
    ],
)
async def test_an_answer_that_does_not_come_is_not_waited_for(
    office: Office, webhook: Webhook, call: WebhookReceiver, hanging: Callable[[Event], Reply]
) -> None:
    """The whole exchange has one limit; a 5xx whose body does not end is a 5xx."""
    never = Event()
    webhook.answer(hanging(never))
    await office.put("pager", "firing")
    office.deliver(call)
    await office.becomes("firing", "delivered 2")
    never.set()

    assert ["firing", "firing"] == office.delivered(webhook)


async def test_success_counts_before_its_body(
    office: Office, webhook: Webhook, call: WebhookReceiver
) -> None:
    """2xx is delivered, whether or not the rest comes, and however long it is."""
    never = Event()
    webhook.answer(Reply(200, held_body=never), Reply(200, body=b"x" * 5_000_000))
    await office.put("pager", "firing", "resolved")
    office.deliver(call)
    await office.becomes("resolved", "delivered 1")
    never.set()

    assert ["firing", "resolved"] == office.delivered(webhook)


async def test_retry_after_is_kept(office: Office, webhook: Webhook, call: WebhookReceiver) -> None:
    """A receiver that asks for time is given it, and up to a quarter of a second more."""
    webhook.answer(Reply(429, {"Retry-After": "100"}), Reply(503, {"Retry-After": "999999"}))
    await office.put("pager", "a", alert=1)
    office.deliver(call)
    await office.becomes("a", "due 1 429")
    await office.put("pager", "b", alert=2)
    await office.becomes("b", "due 1 503")

    assert 90 < await office.waits_s("a") <= 100.25
    assert 3500 < await office.waits_s("b") <= 3600.25


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413])
async def test_one_refusal_loses_no_page(
    office: Office, webhook: Webhook, call: WebhookReceiver, status: int
) -> None:
    """A receiver that is being redeployed answers 404 for some seconds; what comes behind it waits."""
    webhook.answer(Reply(status), Reply(status))
    await office.put("pager", "firing", "resolved")
    office.deliver(call)
    await office.becomes("resolved", "delivered 1")

    assert "delivered 3" == await office.state("firing")
    assert ["firing", "firing", "firing", "resolved"] == office.delivered(webhook)


async def test_a_quarter_of_an_hour_of_refusals_is_enough(
    office: Office, webhook: Webhook, call: WebhookReceiver
) -> None:
    """It is given up in sight, and what comes after it is still told; another failure begins the time anew."""
    webhook.answer(Reply(404), Reply(500), Reply(404), Reply(400, body=b"no such key"))
    await office.put("pager", "firing", "resolved")
    office.deliver(call)
    for attempts in (1, 3):
        await office.becomes("firing", f"due {attempts} 404")
        await office.pool.execute(
            "UPDATE notification SET refused_since = refused_since - interval '15 minutes' WHERE topic = $1",
            office.topic,
        )
    await office.becomes("resolved", "delivered 1")

    assert "given up 4 400: no such key" == await office.state("firing")
    assert ["firing"] * 4 + ["resolved"] == office.delivered(webhook)


async def test_a_day_is_enough(office: Office, webhook: Webhook, call: WebhookReceiver) -> None:
    """What could not be told for a day is tried once more and given up."""
    webhook.answer(Reply(500))
    await office.put("pager", "firing")
    await office.pool.execute(
        "UPDATE notification SET created_at = now() - interval '25 hours' WHERE topic = $1", office.topic
    )
    office.deliver(call)

    await office.becomes("firing", "given up 1 500")


async def test_an_alert_is_told_in_order(office: Office, webhook: Webhook, call: WebhookReceiver) -> None:
    """Nothing overtakes within an alert, whatever fails; other alerts do not wait."""
    chance = random.Random(7)
    webhook.otherwise = lambda _: Reply(500 if chance.random() < 0.2 else 200)
    webhook.answer(Reply(429, {"Retry-After": "100"}))
    await office.put("pager", "0 0", "0 1", alert=0)
    office.deliver(call)
    await office.becomes("0 0", "due 1 429")
    for alert in range(1, 12):
        await office.put("pager", *(f"{alert} {n}" for n in range(4)), alert=alert)
    await asyncio.gather(*(office.becomes(f"{alert} 3", "delivered") for alert in range(1, 12)))
    delivered = [key.split() for key in office.delivered(webhook)]

    assert [["0", "0"]] == [key for key in delivered if key[0] == "0"]
    for alert in range(1, 12):
        heard = [int(n) for name, n in delivered if name == str(alert)]
        assert (sorted(heard), set(range(4))) == (heard, set(heard))


async def test_a_receiver_that_hangs_delays_nobody(
    office: Office, webhook: Webhook, call: WebhookReceiver
) -> None:
    """Each receiver has its own way; within one, several are told at once."""
    with Webhook() as stuck:
        never = Event()
        stuck.otherwise = lambda _: Reply(release=never)
        slow = WebhookReceiver("stuck", stuck.url, limit_s=10.0)
        office.deliver(slow)
        office.deliver(call)
        for alert in range(20):
            await office.put("stuck", f"s{alert}", alert=alert)
            await office.put("pager", f"p{alert}", alert=alert)
        await asyncio.gather(*(office.becomes(f"p{alert}", "delivered 1") for alert in range(20)))
        assert await _holds(stuck, 8)
        never.set()
        await asyncio.gather(*(office.becomes(f"s{alert}", "delivered") for alert in range(20)))
        await slow.close()

    assert 20 == len(webhook.keys)


async def _holds(webhook: Webhook, count: int) -> bool:
    """Whether so many requests, and no more, came to be under way."""

    async def fact() -> bool:
        return len(webhook.keys) >= count

    await until(fact, f"{count} requests", 10)
    return len(webhook.keys) == count


async def test_a_claim_that_nobody_settles_lapses(
    office: Office, webhook: Webhook, call: WebhookReceiver
) -> None:
    """Whoever crashes after the claim leaves it to the next one; the key stays, and nothing overtakes it."""
    await office.put("pager", "firing", "resolved")
    (claimed,) = await Notifications(office.pool, office.topic, lease_s=2.0).claim("pager", 8)
    office.deliver(call)
    before = office.delivered(webhook)
    await office.becomes("resolved", "delivered 1")

    assert (office.topic + "firing", []) == (claimed.key, before)
    assert ["firing", "resolved"] == office.delivered(webhook)
    assert "delivered 2" == await office.state("firing")


async def test_only_the_last_claim_counts(office: Office) -> None:
    """Whoever was frozen past its lease can neither put off nor settle what another has claimed since."""
    notifications = Notifications(office.pool, office.topic, lease_s=0.0)
    await office.put("pager", "firing")
    (frozen,) = await notifications.claim("pager", 8)
    (present,) = await notifications.claim("pager", 8)
    ignored = await notifications.record([(frozen, DELIVERED)])
    before = await office.state("firing")
    noted = await notifications.record([(present, DELIVERED)])

    assert ([], "due 2", 1) == (ignored, before, len(noted))
    assert "delivered 2" == await office.state("firing")


async def test_two_claim_at_once(office: Office) -> None:
    """A notification is claimed by one of them."""
    for alert in range(40):
        await office.put("pager", f"{alert} a", f"{alert} b", alert=alert)
    notifications = Notifications(office.pool, office.topic)
    claims = await asyncio.gather(*(notifications.claim("pager", 8) for _ in range(12)))
    keys = [claimed.key.removeprefix(office.topic) for claim in claims for claimed in claim]
    rest = [claimed.key for claimed in await notifications.claim("pager", 100)]

    assert len(keys) == len(set(keys))
    assert {f"{alert} a" for alert in range(40)} == {*keys, *(key.removeprefix(office.topic) for key in rest)}


async def test_nothing_is_told_after_the_lease(webhook: Webhook, call: WebhookReceiver) -> None:
    """A process that was frozen on its way to a webhook does not speak when it wakes."""
    late = Payload("firing", b"{}", monotonic_s())

    answer = await call.deliver([late])

    assert ("again", "the lease ended before it was delivered") == (answer.outcome, answer.problem)
    assert [] == webhook.keys


async def test_a_process_that_stops_delivers_what_is_due(
    office: Office, webhook: Webhook, call: WebhookReceiver
) -> None:
    """All that can be told now is told; what must wait is left. A call that times out comes again under its key."""
    busy = Reply(429, {"Retry-After": "50"})
    webhook.otherwise = lambda delivered: busy if delivered.key.endswith("busy") else Reply()
    await office.put("pager", "busy", alert=0)
    for alert in range(1, 21):
        await office.put("pager", f"{alert} a", f"{alert} b", alert=alert)
    owner = ReceiverOwner(Notifications(office.pool, office.topic), call)
    owner.stop()
    await owner.run()

    assert 41 == len(set(office.delivered(webhook)))
    assert "due 1 429: {}" == await office.state("busy")


async def test_the_topic_is_a_receiver(office: Office, stack: Stack) -> None:
    """Each transition is a message, an alert's in one partition and in order, with the very bytes."""
    await topics.create(stack.kafka, [Topic(office.topic + ALERTS.name, "", (), ())], 3)
    sender = Sender(stack.kafka, "test")
    for alert in range(10):
        await office.put(ALERTS.name, f"{alert} a", f"{alert} b", alert=alert)
    owner = ReceiverOwner(Notifications(office.pool, office.topic), AlertTopic(sender, office.topic))
    owner.stop()
    await owner.run()
    found = [value for partition in range(3) for value in await _values(stack.kafka, office.topic, partition)]
    await owner.close()
    by_alert = [[value for value in found if b'"partitionkey": "%d"' % alert in value] for alert in range(10)]

    assert [
        [b'{"key": "%d %c", "partitionkey": "%d"}' % (alert, kind, alert) for kind in b"ab"]
        for alert in range(10)
    ] == by_alert


async def _values(kafka: str, prefix: str, partition: int) -> list[bytes]:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        part = aiokafka.TopicPartition(prefix + ALERTS.name, partition)
        consumer.assign([part])
        await consumer.seek_to_beginning(part)
        end, found = (await consumer.end_offsets([part]))[part], list[bytes]()
        while await consumer.position(part) < end:
            found += [record.value for record in (await consumer.getmany(part, timeout_ms=200)).get(part, [])]
        return found
    finally:
        await consumer.stop()


async def test_a_topic_that_is_away_is_tried_again(office: Office) -> None:
    """Kafka being away harms nothing but the delay."""
    sender = Sender("127.0.0.1:9", "test", limit_s=1.0)
    await office.put(ALERTS.name, "firing")
    office.deliver(receiver := AlertTopic(sender, office.topic))
    await office.becomes("firing", "due 2 kafka is unavailable")
    with contextlib.suppress(OSError):
        await receiver.close()
