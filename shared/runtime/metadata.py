"""Asks a broker which log a topic is: the ids of the cluster and of the topic, and how many partitions it has.

The client library asks in version 5 of Metadata, which knows no topic ids; this is version 10, of Kafka 2.8 and later.
Asking creates no topic.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, UnknownTopicOrPartitionError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

METADATA_MAX_AGE_MS = 10_000
"""Age at which a producer or consumer reads the partitions of its topics anew."""

_NAME = CompactString("utf-8")


async def require_brokers(client: AIOKafkaClient) -> None:
    """Ask the bootstrap servers again while a client knows no broker. Raises `KafkaConnectionError`.

    A broker that has just started names none. aiokafka 0.14 keeps the connection over which it was told so; once that
    is gone the client asks nobody, for ever, and its consumer stays in the group without fetching anything.
    """
    if not client.cluster.brokers():
        await client.bootstrap()
    if not client.cluster.brokers():
        raise KafkaConnectionError("the broker names no broker yet")


class TopicMetadata(NamedTuple):
    """Which log a topic is at present."""

    cluster_id: str
    topic_id: UUID
    """Given by the broker when the topic was created; a topic that is created again has another."""
    partitions: int
    leader_epochs: tuple[int, ...] = ()
    """By partition, how often its leader changed; -1 where there is none."""


class _Uuid:
    """16 bytes."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        """Its bytes."""
        return value.bytes

    @classmethod
    def decode(cls, data: Any) -> UUID:
        """The next 16 bytes."""
        return UUID(bytes=data.read(16))


_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)

_TOPIC = (
    ("error_code", Int16),
    ("topic", _NAME),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)

_BROKER = (("node_id", Int32), ("host", _NAME), ("port", Int32), ("rack", _NAME), ("tags", TaggedFields))


class _Response(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", _NAME),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Struct(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("topic", _NAME), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Request(Request[_Struct]):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_Struct]) -> _Struct:
        return request_struct_class(
            [(UUID(int=0), name, {}) for name in self._topics], False, False, False, {}
        )


def _leader_epochs(partitions: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    return tuple(epoch for _, epoch in sorted((number, epoch) for _, number, _, epoch, *_ in partitions))


async def describe(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, TopicMetadata]:
    """Each of these topics that exists. Raises `KafkaError`, `OSError` or `TimeoutError`, as the client does."""
    node = client.get_random_node()
    if node is None:
        raise NodeNotReadyError("no broker is known")
    answer = await client.send(node, _Request(topics))
    return {
        topic: TopicMetadata(answer.cluster_id, topic_id, len(partitions), _leader_epochs(partitions))
        for error, topic, topic_id, _, partitions, *_ in answer.topics
        if error != UnknownTopicOrPartitionError.errno
    }
