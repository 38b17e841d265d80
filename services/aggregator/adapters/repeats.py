"""Stores the ids of batches in `batch_id`, one row for each commit and partition, inside the pump's transaction.

Log time is in seconds. A row stores its ids as one value, because a row for each id would cost more than everything
else. Invariant: after an acquisition a partition remembers the same ids as before, in the same order, with the same
times.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.remembered import words_of
from services.aggregator.domain.repeats import REMEMBERED_S, Fresh, Repeats
from shared.postgres.connections import Connection
from shared.postgres.instants import at
from shared.postgres.maintenance import Deletion
from shared.stream.processor import Key
from shared.wire.stored import batch_ids
from shared.wire.stored.batch_ids import NOTE, Ids, Row
from shared.wire.versions import OLD

FORGOTTEN = 1_000
"""Rows of each partition that one statement of the maintenance deletes."""

_SAVE = """
INSERT INTO batch_id (topic, partition, received_at, next_offset, marks, ids, notes)
SELECT * FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[])
"""

_KEPT = """
SELECT marks, ids, notes FROM batch_id
WHERE topic = $1 AND partition = $2 AND received_at >= (
    SELECT max(received_at) - $3::integer * interval '1 second' FROM batch_id WHERE topic = $1 AND partition = $2)
ORDER BY received_at, next_offset
"""

_FORGET = f"""
DELETE FROM batch_id WHERE (topic, partition, received_at, next_offset) IN (
    SELECT old.* FROM partition_state p
    CROSS JOIN LATERAL (
        SELECT max(received_at) - interval '1 day' AS at FROM batch_id b
        WHERE b.topic = p.topic AND b.partition = p.partition) since
    CROSS JOIN LATERAL (
        SELECT topic, partition, received_at, next_offset FROM batch_id b
        WHERE b.topic = p.topic AND b.partition = p.partition AND b.received_at < since.at
        ORDER BY b.received_at LIMIT {FORGOTTEN} FOR UPDATE SKIP LOCKED) old)
"""  # noqa: S608 # the number is a constant of this module

MAINTENANCE = (Deletion("batch_id", _FORGET),)
"""Forgets what lies a day of log time behind the newest of its partition; never by the clock, for the log may rest."""


class Kept(NamedTuple):
    """The rows of a partition, oldest first."""

    rows: Sequence[Row]

    def repeats(self) -> Repeats:
        """The memory that they hold. Raises `UnknownVersion`."""
        found = Repeats()
        kept = list(map(batch_ids.decode, self.rows))
        notes = np.concatenate([np.zeros(0, NOTE), *(each.notes for each in kept)])
        found.restore(
            words_of(b"".join(each.ids for each in kept)),
            notes["body"].astype(np.uint64),
            notes["received_s"].astype(np.int64),
        )
        return found


class BatchIds:
    """The table `batch_id`."""

    def __init__(self, version: int = OLD) -> None:
        self._version = version

    async def save(self, conn: Connection, fresh: Mapping[Key, tuple[int, Fresh]]) -> None:
        """Write the new ids of each partition, given with the offset behind them."""
        rows = [
            (*key, at(1000 * new.received_s[-1]), next_offset, *_packed(new, self._version))
            for key, (next_offset, new) in fresh.items()
            if new.ids
        ]
        if rows:
            await conn.execute(_SAVE, *map(list, zip(*rows, strict=True)))

    async def kept(self, conn: Connection, keys: Iterable[Key]) -> dict[Key, Kept]:
        """What is kept of these partitions as their checkpoints left it."""
        found = {}
        for key in keys:
            rows = await conn.fetch(_KEPT, *key, REMEMBERED_S)
            found[key] = Kept([Row(*row) for row in rows])
        return found


def _packed(new: Fresh, version: int) -> Row:
    notes = np.empty(len(new.ids), NOTE)
    notes["body"], notes["received_s"], notes["rows"] = new.body, new.received_s, new.rows
    return batch_ids.encode(Ids(b"".join(new.ids), notes), version)
