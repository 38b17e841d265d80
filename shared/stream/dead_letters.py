"""Dead letters of the pump's cuts: the messages for their topic, their lines in the ledger, and how long they are kept.

A dead letter goes to the partition with the number of its origin, before the commit; after a crash it is published
again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from shared.ledger.entries import LOST, NOBODY, Entry, Ledger, Line, dead_lettered, minute_of
from shared.postgres.maintenance import Deletion, kept_since
from shared.runtime.kafka import Message
from shared.stream.containment.breaker import WINDOW
from shared.stream.processor import Cut
from shared.wire import dead_letter
from shared.wire.ledger_entries import salvaged
from shared.wire.topics import DEADLETTER

_OLD = f"""
DELETE FROM dead_letter WHERE (topic, partition, "offset") IN (
    SELECT d.topic, d.partition, d."offset" FROM dead_letter d LEFT JOIN partition_state p USING (topic, partition)
    WHERE d.received_at < {kept_since("dead_letter")}
        AND (p.next_offset IS NULL OR d."offset" < p.next_offset - {WINDOW})
    ORDER BY d.received_at LIMIT 200 FOR UPDATE OF d SKIP LOCKED
)
"""  # noqa: S608 # constants of ours

MAINTENANCE = (Deletion("dead_letter", _OLD),)
"""Removes what is past retention, but nothing that the breaker of its partition looks back on."""


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
        minute_ms = minute_of(dead.appended_at_ms)
        found.add(minute_ms, dead_lettered(salvaged(dead.value), dead.code))
        if dead.lost:
            found.add(minute_ms, [Line(NOBODY, LOST, dead.lost)])
    return found.take()
