"""Creates the topics that `shared/wire/topics.py` declares, and compares those that exist with the declaration.

Invariant: after `create`, each topic exists with the declared partitions and settings. A topic that differs is an error
and is never changed, because series are routed by its partitions.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import stamina
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NodeNotReadyError, TopicAlreadyExistsError, for_code

from shared.errors import Misconfigured, Unavailable
from shared.wire.topics import DEFAULT_PARTITIONS, MIN_INSYNC, TOPICS, Topic, min_insync

VISIBLE_S = 20.0
"""How long a topic that was made may take to have leaders for all its partitions."""

_POLL_S = 0.02


async def create(
    bootstrap: str,
    topics: Sequence[Topic] = TOPICS,
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = 1,
) -> list[str]:
    """Create what is missing and return its names; `Misconfigured` names every difference of what exists.

    `replication` brokers keep each record; a topic that exists may have more.
    """
    made: list[str] = []
    async for attempt in stamina.retry_context(
        on=_is_passing, attempts=None, timeout=VISIBLE_S, wait_max=1.0
    ):
        with attempt:
            async with _admin(bootstrap) as admin:
                missing = await _missing(admin, topics)
                if missing:
                    await _make(admin, missing, partitions, replication)
                    made += [topic.name for topic in missing]
                await _until_visible(admin, topics)
                await _check(admin, topics, partitions, replication)
    return made


def _is_passing(problem: Exception) -> bool:
    """A broker that has lost all connections is asked again; one that does not answer at all is said to be away."""
    return isinstance(problem.__cause__, NodeNotReadyError)


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    try:
        await admin.start()
        yield admin
    except KafkaError as problem:
        raise Unavailable("kafka", repr(problem)) from problem
    finally:
        await admin.close()


async def _missing(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[Topic]:
    # All topics are listed: asking for one by name would let a broker that creates automatically create it.
    existing = set(await admin.list_topics())
    return [topic for topic in topics if topic.name not in existing]


async def _make(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], partitions: int, replication: int
) -> None:
    insync = {MIN_INSYNC: str(min_insync(replication))}
    wanted = [
        NewTopic(topic.name, partitions, replication, topic_configs=insync | topic.config) for topic in topics
    ]
    answer = await admin.create_topics(wanted)
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        # Another one may have been quicker; whether what it made fits is checked with the rest.
        if code and error is not TopicAlreadyExistsError:
            raise Misconfigured(
                f"topic {name} cannot be made: {error.__name__} {' '.join(filter(None, message))}"
            )


async def _until_visible(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    names = [topic.name for topic in topics]
    try:
        async with asyncio.timeout(VISIBLE_S):
            # The broker does not announce that a leader is found; a client must ask.
            while not all(map(_is_led, await admin.describe_topics(names))):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise Unavailable("kafka", f"partitions of {', '.join(names)} have no leader") from None


def _is_led(topic: dict[str, Any]) -> bool:
    return not topic["error_code"] and all(part["leader"] >= 0 for part in topic["partitions"])


async def _check(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], partitions: int, replication: int
) -> None:
    names = [topic.name for topic in topics]
    replicas = {
        found["topic"]: [len(part["replicas"]) for part in found["partitions"]]
        for found in await admin.describe_topics(names)
    }
    configs = await _configs(admin, names)
    problems = []
    for topic in topics:
        wanted = {"partitions": str(partitions), **topic.config}
        found = {"partitions": str(len(replicas[topic.name])), **configs[topic.name]}
        problems += [
            f"topic {topic.name}: {key} is {found.get(key, 'unset')}, wanted {value}"
            for key, value in wanted.items()
            if found.get(key) != value
        ]
        least = min(replicas[topic.name])
        problems += [f"topic {topic.name}: {one}" for one in copies(least, replication, found[MIN_INSYNC])]
    if problems:
        advice = "Change the topic on the broker, or give the declaration a new topic version."
        raise Misconfigured("\n".join([*problems, advice]))


def copies(replicas: int, replication: int, insync: str) -> list[str]:
    """What is wrong with how many brokers keep a record, and how many must have it before it is acknowledged."""
    problems = []
    if replicas < replication:
        problems.append(f"replicas is {replicas}, wanted {replication}")
    if not min_insync(replicas) <= int(insync) <= replicas:
        problems.append(
            f"{MIN_INSYNC} is {insync}, wanted {min_insync(replicas)} where there are {replicas} replicas"
        )
    return problems


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
