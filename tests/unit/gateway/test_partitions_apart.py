"""A partition without a leader, or slow, fails or delays its own points only.

Source: issue 11, "the log is what we think it is"; `kafka-alertmanager-promtool.md`, pump and producers, 1.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.ports import Outcome
from services.gateway.intake.publish.broker_clock import LOG_APPEND_TIME, BrokerClock
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.producer import Producer
from services.gateway.intake.publish.publisher import KafkaPublisher
from shared.runtime.clock import monotonic_s
from shared.wire.events import Event, EventBatch, decode, partition_of
from tests.support.logs import FakeLog
from tests.support.wait import until

NOW = 1_760_000_000_000
PARTITIONS = 3
STALL_MS = 200


@dataclass
class Broker:
    """What the clients of a producer see: appended values, leaders, and partitions that do not answer."""

    leaderless: set[int] = field(default_factory=set)
    slow: set[int] = field(default_factory=set)
    log: list[tuple[int, bytes]] = field(default_factory=list)
    clients: int = 0


class Client:
    """As much of aiokafka's producer as `Producer` needs."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._leaderless = frozenset(broker.leaderless)
        broker.clients += 1
        self.client = SimpleNamespace(
            cluster=SimpleNamespace(leader_for_partition=self._leader), force_metadata_update=self._update
        )

    def _leader(self, part: Any) -> int:
        return -1 if part.partition in self._leaderless else 1

    async def _update(self) -> None:
        self._leaderless = frozenset(self._broker.leaderless)

    def create_batch(self) -> Any:
        """A batch of one message."""
        values: list[bytes] = []
        return SimpleNamespace(
            append=lambda value, **_: values.append(value), close=lambda: None, values=values
        )

    async def send_batch(self, batch: Any, _topic: str, partition: int) -> Awaitable[Any]:
        """The ack, which comes at once, or never."""
        ack = asyncio.get_running_loop().create_future()
        if partition not in self._broker.slow | self._broker.leaderless:
            self._broker.log += [(partition, value) for value in batch.values]
            ack.set_result(SimpleNamespace(timestamp=NOW, timestamp_type=LOG_APPEND_TIME))
        return ack


class Lost(Client):
    """One whose partition 0 answers that its sequence is broken."""

    async def send_batch(self, batch: Any, topic: str, partition: int) -> Awaitable[Any]:
        """A failure."""
        ack = await super().send_batch(batch, topic, partition)
        if partition == 0:
            ack = asyncio.get_running_loop().create_future()
            ack.set_exception(KafkaTimeoutError())
        return ack


class Connected(Producer[EventIntakeBatch]):
    """A producer whose client needs no end."""

    async def stop(self, *, broken: bool) -> None:
        """Nothing is open."""


def event_of(partition: int) -> Event:
    """An event that goes to a partition."""
    numbers = iter(range(1_000))
    return next(
        one
        for number in numbers
        if partition_of(one := Event(1, f"e{number}", "click", NOW), PARTITIONS) == partition
    )


def request(*partitions: int) -> EventIntakeBatch:
    """A request with an event in each of these partitions."""
    return EventIntakeBatch([event_of(one) for one in partitions], NOW, Admitted(1, len(partitions), {}))


Publisher = KafkaPublisher[EventIntakeBatch]


async def running(
    broker: Broker, client: Callable[[Broker], Client] = Client
) -> tuple[Publisher, asyncio.Task[None]]:
    """A publisher of events to this broker."""

    async def connecting(_kafka: str, topic: str, batches: Callable[[int], Any], _check: Any) -> Connected:
        return Connected(client(broker), topic, PARTITIONS, batches(PARTITIONS))

    clock = BrokerClock(10**12)
    clock.heard(monotonic_s(), [SimpleNamespace(timestamp=NOW, timestamp_type=LOG_APPEND_TIME)])
    publisher: Publisher = KafkaPublisher(
        "",
        "events",
        EventBatches,
        clock,
        FakeLog(),
        deadline_ms=2_000,
        stall_ms=STALL_MS,
        connecting=connecting,
    )
    task = asyncio.create_task(publisher.run())

    async def ready() -> bool:
        return publisher.refusal() is None

    await until(ready, "the producer has started")
    return publisher, task


async def outcomes(publisher: Publisher, *requests: EventIntakeBatch) -> list[Outcome]:
    """What becomes of requests that are posted together."""
    return list(await asyncio.gather(*(publisher.publish(one) for one in requests)))


def appended(broker: Broker) -> list[int]:
    """Where events have been appended, and how many."""
    return sorted(partition for partition, value in broker.log for _ in decode(value, NOW).events)


@pytest.mark.parametrize("fault", ["leaderless", "slow"])
async def test_a_request_fails_by_the_partitions_that_hold_its_rows(fault: str) -> None:
    """Others of the same flush are accepted, long before the deadline, and nothing of theirs is sent twice."""
    broker = Broker()
    publisher, task = await running(broker)
    getattr(broker, fault).add(0)
    first = await outcomes(publisher, request(0), request(1), request(1, 2), request(0, 2))
    after = await outcomes(publisher, request(0), request(1), request(2, 0))
    publisher.stop()
    await task

    assert ["unknown", "accepted", "accepted", "unknown"] == [one.value for one in first]
    assert ["not_accepted", "accepted", "not_accepted"] == [one.value for one in after]
    assert [1, 1, 1, 2, 2] == appended(broker)
    assert 2 == broker.clients


async def test_a_partition_without_a_leader_holds_up_nobody_from_the_start() -> None:
    """What it was to take is refused at once, for nothing of it was produced."""
    broker = Broker(leaderless={1})
    publisher, task = await running(broker)
    found = await outcomes(publisher, request(0), request(1), request(2))
    again = await outcomes(publisher, request(1), request(2))
    publisher.stop()
    await task

    assert [Outcome.ACCEPTED, Outcome.NOT_ACCEPTED, Outcome.ACCEPTED] == found
    assert [Outcome.NOT_ACCEPTED, Outcome.ACCEPTED] == again
    assert (1, [0, 2, 2]) == (broker.clients, appended(broker))


async def test_a_partition_that_has_a_leader_again_takes_points() -> None:
    """Without a new producer: the one that is there never wrote to it."""
    broker = Broker(leaderless={1})
    publisher, task = await running(broker)
    await outcomes(publisher, request(0))
    broker.leaderless.clear()

    async def taken() -> bool:
        return await outcomes(publisher, request(1)) == [Outcome.ACCEPTED]

    await until(taken, "the partition takes an event")
    publisher.stop()
    await task

    assert (1, [0, 1]) == (broker.clients, appended(broker))


async def test_a_partition_that_breaks_the_producer_costs_the_others_no_answer() -> None:
    """The next producer takes over; requests in between wait for it."""
    broker = Broker()
    publisher, task = await running(broker, Lost)
    found = await outcomes(publisher, request(0), request(1))
    after = await outcomes(publisher, request(2), request(0))
    publisher.stop()
    await task

    assert [Outcome.UNKNOWN, Outcome.ACCEPTED] == found
    assert [Outcome.ACCEPTED, Outcome.NOT_ACCEPTED] == after


async def test_without_any_leader_everything_is_refused() -> None:
    """And the reason says so."""
    broker = Broker(leaderless=set(range(PARTITIONS)))
    publisher, task = await running(broker)
    found = await outcomes(publisher, request(0), request(1))
    reason = publisher.refusal()
    publisher.stop()
    await task

    assert [Outcome.NOT_ACCEPTED] * 2 == found
    assert "no partition of events has a leader" == reason


def test_what_was_refused_is_said_where_a_message_can_go() -> None:
    """Ledger entries wait for no partition that takes nothing."""
    batches = EventBatches(PARTITIONS)
    noted = EventIntakeBatch([], NOW, Admitted(1, 0, {"ts_too_old": 2}))
    messages, ticks = batches.messages([noted], 0.0, NOW, {0, 1})
    nowhere = EventBatches(1).messages([noted], 0.0, NOW, {0})

    assert ([2], 1, ([], 0)) == ([partition for partition, _ in messages], ticks, nowhere)
    assert isinstance(decode(messages[0][1], NOW), EventBatch)
