"""Gaps in the numbers of a producer's messages: what vanished between the producer and the worker.

A gateway numbers its messages by one in each partition, under the name of one life of its Kafka producer. A name with a
colon belongs to a producer that numbers otherwise (`ingest:3` by offsets, `ledger:…` by time). A producer that was
not known before may have begun anywhere, which is no gap.
"""

from collections.abc import Mapping
from typing import TypeAlias

Seen: TypeAlias = dict[str, tuple[int, int]]
"""Producer -> its highest number and when that came."""


def numbers_by_one(producer: str) -> bool:
    """Whether the numbers of this producer have no gaps of their own."""
    return ":" not in producer


def missing_before(seen: Mapping[str, tuple[int, int]], producer: str, seq: int) -> int:
    """How many messages of a producer are missing between the highest number seen and this one."""
    known = seen.get(producer)
    return 0 if known is None or not numbers_by_one(producer) else max(0, seq - known[0] - 1)


def is_next(seen: Mapping[str, tuple[int, int]], producer: str, seq: int) -> bool:
    """Whether a message that could not be used bears the next number; any other is not believed."""
    known = seen.get(producer)
    return known is not None and numbers_by_one(producer) and seq == known[0] + 1


def begun_anew(seen: Seen) -> Seen:
    """What is known of producers after records that nobody has read: whoever numbers by one may have any next number.

    What they sent before is gone from the log, so that it cannot be repeated either.
    """
    return {producer: at for producer, at in seen.items() if not numbers_by_one(producer)}
