"""Dead letters of the pump's cuts: the messages for their topic, and their lines in the ledger.

A dead letter goes to the partition with the number of its origin, before the commit; after a crash it is published
again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from shared.ledger.entries import Entry, Ledger, dead_lettered, minute_of
from shared.runtime.kafka import Message
from shared.stream.processor import Cut
from shared.wire import dead_letter
from shared.wire.ledger_entries import salvaged
from shared.wire.topics import DEADLETTER


def messages(cuts: Sequence[Cut[Any]], prefix: str, version: int) -> Iterator[Message]:
    """One message for each dead letter of these cuts; the table is written by the commit itself."""
    for cut in cuts:
        for dead in cut.dead:
            letter = dead_letter.DeadLetter(*cut.key, dead.offset, dead.code, dead.reason, dead.value)
            yield Message(prefix + DEADLETTER.name, cut.key.partition, dead_letter.encode(letter, version))


def dead_lettered_in(cut: Cut[Any]) -> Counter[Entry]:
    """The ledger entries of a cut's dead letters, by the minute of append: a dead letter's own times may be wrong."""
    found = Ledger()
    for dead in cut.dead:
        found.add(minute_of(dead.appended_at_ms), dead_lettered(salvaged(dead.value), dead.code))
    return found.take()
