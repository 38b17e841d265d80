"""Tells the topic of dead letters what the pump's cuts could not use; the table is written by the commit itself.

The law: a dead letter goes to the partition with the number of its origin, before the commit, so a crash repeats it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from shared.runtime.kafka import Message
from shared.stream.processor import Cut
from shared.wire import dead_letter
from shared.wire.topics import DEADLETTER


def messages(cuts: Sequence[Cut[Any]], prefix: str) -> Iterator[Message]:
    """One message for each dead letter of these cuts."""
    for cut in cuts:
        for dead in cut.dead:
            letter = dead_letter.DeadLetter(*cut.key, dead.offset, dead.code, dead.reason, dead.value)
            yield Message(prefix + DEADLETTER.name, cut.key.partition, dead_letter.encode(letter))
