"""What identifies a log, and in what another one differs from it.

Offsets are those of the checkpoint, times milliseconds UTC. Invariant: two logs that differ in cluster, topic id,
number of partitions, end or last folded record are told apart.
"""

from typing import NamedTuple
from uuid import UUID

import xxhash

from shared.runtime.metadata import TopicMetadata

ACCEPT = "`tidegauge topics accept {topic}` goes on with the log as it is"


class LogIdentity(NamedTuple):
    """The log that a checkpoint was written for."""

    cluster_id: str
    topic_id: UUID
    partitions: int
    """Partitions that the topic had when the log was accepted."""
    routed_by: int
    """Partitions that records are routed by: fewer when partitions were added later."""


class LastRecord(NamedTuple):
    """What the last folded record is known by."""

    offset: int
    appended_at_ms: int
    checksum: bytes
    """`checksum` of its value."""


class Extent(NamedTuple):
    """A partition as the broker has it now."""

    earliest: int
    """Offset of the first record that is still there."""
    end: int
    """Offset that the next record gets."""
    record: LastRecord | None
    """The record that was asked for; None: its offset is outside the log."""


def checksum(value: bytes | None) -> bytes:
    """8 bytes that another value hardly has. Records of ours have no key."""
    return xxhash.xxh3_64_digest(value or b"")


def adopted(found: TopicMetadata) -> LogIdentity:
    """The identity of a log that is read for the first time."""
    return LogIdentity(found.cluster_id, found.topic_id, found.partitions, routed_by=found.partitions)


def other_topic(stored: LogIdentity, found: TopicMetadata) -> str | None:
    """In what the topic differs from the one that was folded; None: in nothing."""
    if stored.cluster_id != found.cluster_id:
        return f"its checkpoint is of cluster {stored.cluster_id}, and this is cluster {found.cluster_id}"
    if stored.topic_id != found.topic_id:
        return "the topic was deleted and made again"
    if stored.partitions != found.partitions:
        return f"the topic has {found.partitions} partitions, and its checkpoint is of {stored.partitions}"
    return None


def other_content(next_offset: int, last: LastRecord | None, found: Extent) -> str | None:
    """In what the partition differs from the one that was folded up to `next_offset`; None: in nothing."""
    if found.end < next_offset:
        return (
            f"the log ends at {found.end}, before the checkpoint {next_offset}: it was truncated or restored"
        )
    if last is not None and found.record is not None and found.record != last:
        return f"record {last.offset} is not the one that was folded: the log was truncated and refilled, or restored"
    return None
