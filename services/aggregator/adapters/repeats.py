"""Keeps the ids of batches in `batch_id`, one row for each commit and partition, inside the pump's transaction.

Log time is in seconds. A row holds its ids as one value, for a row an id would cost more than all else. The law: what
is read back on acquire is what the memory of the partition held, in its order, with its times.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from services.aggregator.domain.remembered import words_of
from services.aggregator.domain.repeats import REMEMBERED_S, Fresh, Repeats
from shared.postgres.connections import Connection
from shared.postgres.instants import at
from shared.stream.processor import Key
from shared.wire.batch_ids import BATCH_ID_BYTES, MARK_BYTES, NOTE

FORGOTTEN = 1_000
"""Rows of each partition that one statement of the maintenance deletes."""

_SAVE = """
INSERT INTO batch_id (topic, partition, received_at, next_offset, marks, ids, notes)
SELECT * FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[])
"""

_KEPT = """
SELECT ids, notes FROM batch_id
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

MAINTENANCE = (_FORGET,) * 10
"""Forgets what lies a day of log time behind the newest of its partition; never by the clock, for the log may rest."""


class BatchIds:
    """The table `batch_id`."""

    async def save(self, conn: Connection, fresh: Mapping[Key, tuple[int, Fresh]]) -> None:
        """Write the new ids of each partition, given with the offset behind them."""
        rows = [
            (*key, at(1000 * new.received_s[-1]), next_offset, *_packed(new))
            for key, (next_offset, new) in fresh.items()
            if new.ids
        ]
        if rows:
            await conn.execute(_SAVE, *map(list, zip(*rows, strict=True)))

    async def restore(self, conn: Connection, keys: Iterable[Key]) -> dict[Key, Repeats]:
        """The memories of these partitions as their checkpoints left them."""
        found = {}
        for key in keys:
            rows = await conn.fetch(_KEPT, *key, REMEMBERED_S)
            notes = np.frombuffer(b"".join(row["notes"] for row in rows), NOTE)
            found[key] = Repeats()
            found[key].restore(
                words_of(b"".join(row["ids"] for row in rows)),
                notes["body"].astype(np.uint64),
                notes["received_s"].astype(np.int64),
            )
        return found


def _packed(new: Fresh) -> tuple[bytes, bytes, bytes]:
    ids = b"".join(new.ids)
    marks = np.frombuffer(ids, np.uint8).reshape(-1, BATCH_ID_BYTES)[:, :MARK_BYTES].tobytes()
    notes = np.empty(len(new.ids), NOTE)
    notes["body"], notes["received_s"], notes["rows"] = new.body, new.received_s, new.rows
    return marks, ids, notes.tobytes()
