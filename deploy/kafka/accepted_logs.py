"""`tidegauge topics accept`: the checkpoints of a topic go on in the log that is there now.

Offsets are Kafka's, times milliseconds UTC. A partition whose log is another one goes on at the first record that was
appended after the last one it folded; what a restored or mirrored log repeats is known by the numbers of its producers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from deploy.postgres import logs
from deploy.postgres.logs import LogCheckpoint
from shared.errors import Misconfigured, Unavailable
from shared.postgres import connections
from shared.runtime.metadata import TopicMetadata
from shared.stream.log.check import NOWHERE, Log
from shared.stream.log.identity import Extent, LogIdentity, adopted, other_content, other_topic
from shared.stream.log.reader import KafkaLog
from shared.stream.processor import Key


class SearchableLog(Log, Protocol):
    """A log that can be searched by time; `KafkaLog` is one."""

    async def first_after(self, appended_ms: Mapping[Key, int]) -> Mapping[Key, int]:
        """Offset of the first record of each partition that was appended after its time. Raises `Unavailable`."""


class Accepted(NamedTuple):
    """A partition that goes on."""

    partition: int
    offset: int
    """The next record, by its offset in Kafka."""
    problem: str | None
    """In what the log differed from the one of the checkpoint; None: only in what it is."""


async def accept(postgres: str, kafka: str, topic: str) -> list[Accepted]:
    """The partitions that go on in another log than before; none when all stand where they should.

    Raises `Misconfigured` for a topic without checkpoints or with too few partitions, and `Unavailable`.
    """
    log = KafkaLog(kafka, "tidegauge-accept")
    try:
        async with connections.single(postgres) as conn:
            stored = await logs.read(conn, topic)
            if not stored:
                raise Misconfigured(f"no service has a checkpoint of {topic}")
            found = (await log.topics([topic])).get(topic)
            if found is None:
                raise Misconfigured(f"{topic} does not exist; `tidegauge topics` makes it")
            identity = adopted(found)._replace(routed_by=routed_by(topic, stored, found))
            wanted = await begins(log, topic, stored, identity)
            moves = [(at, new.offset, new.problem is None) for at, new in wanted]
            done = await logs.accept(conn, topic, identity, moves) if moves else set()
    finally:
        await log.close()
    if missed := [new.partition for _, new in wanted if new.partition not in done]:
        raise Unavailable("postgres", f"partitions {missed} moved meanwhile; run the command again")
    return [new for _, new in wanted]


def routed_by(topic: str, stored: Sequence[LogCheckpoint], found: TopicMetadata) -> int:
    """By how many partitions the state of the readers is divided: that never changes."""
    known = [at.log.routed_by for at in stored if at.log is not None]
    needed = max(known, default=found.partitions)
    if found.partitions < needed:
        raise Misconfigured(
            f"{topic} has {found.partitions} partitions, and what was counted is divided by {needed}: "
            f"make it again with `tidegauge topics --partitions {needed}`"
        )
    return needed


async def begins(
    log: SearchableLog, topic: str, stored: Iterable[LogCheckpoint], identity: LogIdentity
) -> list[tuple[LogCheckpoint, Accepted]]:
    """Which checkpoints are to go on, and where."""
    there = {Key(topic, at.partition): at for at in stored if at.partition < identity.partitions}
    extents = await log.extents(
        {key: at.last.offset - at.offset_base if at.last else NOWHERE for key, at in there.items()}
    )
    problems = {key: _problem(at, identity, extents[key]) for key, at in there.items()}
    later = await log.first_after(
        {key: at.last.appended_at_ms for key, at in there.items() if at.last is not None and problems[key]}
    )
    return [
        (at, Accepted(at.partition, _begin(at, problems[key], extents[key], later.get(key)), problems[key]))
        for key, at in there.items()
        if problems[key] or at.log != identity
    ]


def _problem(at: LogCheckpoint, identity: LogIdentity, found: Extent) -> str | None:
    """Why the offset of a checkpoint means nothing in this log; None: it is the same log, perhaps a wider one."""
    if at.log is not None and at.log[:2] != identity[:2]:
        return other_topic(at.log, TopicMetadata(*identity[:3]))
    last = at.last if at.last is not None and at.last.offset == at.next_offset - 1 else None
    in_kafka = last._replace(offset=last.offset - at.offset_base) if last else None
    return other_content(at.next_in_kafka, in_kafka, found)


def _begin(at: LogCheckpoint, problem: str | None, found: Extent, later: int | None) -> int:
    if problem is None:
        return at.next_in_kafka
    if at.last is None:
        return found.earliest
    return found.end if later is None else later


def rendered(topic: str, done: Sequence[Accepted]) -> list[str]:
    """A line for each partition that goes on."""
    return [
        f"{topic} {new.partition} goes on at offset {new.offset}"
        + (f": {new.problem}" if new.problem else "")
        for new in done
    ] or [f"all partitions of {topic} stand in this log already"]
