"""The topics on the broker are those that are declared, or it is said which are not."""

import secrets
from dataclasses import dataclass

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka.topics import copies, create
from deploy.local.stack import Stack
from shared.errors import Misconfigured, Unavailable
from shared.wire.topics import METRICS, TOPICS, Topic

pytestmark = pytest.mark.servers


@dataclass(frozen=True, slots=True)
class ShortLived(Topic):
    """A declaration that keeps records for an hour."""

    @property
    def config(self) -> dict[str, str]:
        """The declared settings."""
        return {"retention.ms": "3600000"}


@dataclass(frozen=True, slots=True)
class Unwritable(Topic):
    """A declaration that asks for more replicas than there are."""

    @property
    def config(self) -> dict[str, str]:
        """The declared settings."""
        return {"min.insync.replicas": "2"}


@pytest.fixture
def prefix() -> str:
    """A prefix of this test's own."""
    return f"t{secrets.token_hex(4)}."


def prefixed(prefix: str, topic: Topic = METRICS, cls: type[Topic] = Topic) -> Topic:
    """A declared topic under another name."""
    return cls(prefix + topic.name, topic.value, topic.writers, topic.readers)


async def test_topics_are_made_as_declared(stack: Stack, prefix: str) -> None:
    """What is missing is made, with the declared partitions."""
    wanted = [prefixed(prefix, topic) for topic in TOPICS]

    made = await create(stack.kafka, wanted, partitions=3)

    assert [topic.name for topic in wanted] == made
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    described = await admin.describe_topics(made)
    await admin.close()
    assert dict.fromkeys(made, 3) == {topic["topic"]: len(topic["partitions"]) for topic in described}


async def test_what_exists_as_declared_is_left_alone(stack: Stack, prefix: str) -> None:
    """A second run makes nothing."""
    topic = prefixed(prefix)
    await create(stack.kafka, [topic], partitions=2)

    assert await create(stack.kafka, [topic], partitions=2) == []


async def test_other_partitions_are_refused(stack: Stack, prefix: str) -> None:
    """Series are routed by partition: a different count is an error that names topic, wanted and found."""
    topic = prefixed(prefix)
    await create(stack.kafka, [topic], partitions=2)

    with pytest.raises(Misconfigured, match=rf"{topic.name}: partitions is 2, wanted 4"):
        await create(stack.kafka, [topic], partitions=4)


async def test_another_setting_is_refused(stack: Stack, prefix: str) -> None:
    """Every declared setting is held, and the message names the key."""
    await create(stack.kafka, [prefixed(prefix, cls=ShortLived)], partitions=1)

    with pytest.raises(Misconfigured, match=r"retention\.ms is 3600000, wanted 259200000"):
        await create(stack.kafka, [prefixed(prefix)], partitions=1)


async def test_more_replicas_in_sync_than_there_are_is_refused(stack: Stack, prefix: str) -> None:
    """Source: `kafka-alertmanager-promtool.md`, surprise 6: the broker takes it without a word."""
    await create_as_it_is(stack, prefixed(prefix, cls=Unwritable))

    with pytest.raises(
        Misconfigured, match=r"min\.insync\.replicas is 2, wanted 1 where there are 1 replicas"
    ):
        await create(stack.kafka, [prefixed(prefix)], partitions=1)


@pytest.mark.parametrize(
    ("replicas", "insync", "problems"),
    [
        pytest.param(1, "1", [], id="one broker"),
        pytest.param(2, "1", [], id="two"),
        pytest.param(2, "2", [], id="two, stricter"),
        pytest.param(3, "2", [], id="three"),
        pytest.param(3, "3", [], id="three, stricter"),
        pytest.param(5, "2", [], id="five"),
        pytest.param(3, "1", ["min.insync.replicas is 1, wanted 2 where there are 3 replicas"], id="too few"),
        pytest.param(
            3, "4", ["min.insync.replicas is 4, wanted 2 where there are 3 replicas"], id="too many"
        ),
    ],
)
def test_two_replicas_have_a_record_where_there_are_three(
    replicas: int, insync: str, problems: list[str]
) -> None:
    """Never more than there are."""
    assert problems == copies(replicas, 1, insync)


def test_fewer_replicas_than_asked_for_are_refused() -> None:
    """More are not: who does not ask for a number takes what there is."""
    assert ["replicas is 1, wanted 3"] == copies(1, 3, "1")
    assert [] == copies(3, 1, "2")


async def create_as_it_is(stack: Stack, topic: Topic) -> None:
    """Make a topic that its own check refuses."""
    with pytest.raises(Misconfigured):
        await create(stack.kafka, [topic], partitions=1)


async def test_an_absent_broker_is_unavailable() -> None:
    """Nobody listens: the caller may try again later."""
    with pytest.raises(Unavailable):
        await create("127.0.0.1:1", partitions=1)
