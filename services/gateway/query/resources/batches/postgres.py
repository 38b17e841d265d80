"""Reads the counts of batches from `batch_id`, where owners write the ids that have counted.

Milliseconds UTC outside, seconds inside. Rows are found by marks of 3 bytes an id, so that only few rows are decoded.
All parts of a batch that is too large for one message are found under the id of the batch.
"""

import numpy as np
from numpy.typing import NDArray

from services.gateway.query.resources.batches.batch_status import BatchStatus
from shared.errors import Unavailable, UnknownVersion
from shared.postgres.connections import Pool, connection
from shared.wire.stored import batch_ids
from shared.wire.stored.batch_ids import BATCH_ID_BYTES, MARK_BYTES, STEM_BYTES, Row

HOLDING = """
SELECT partition, marks, ids, notes FROM batch_id
WHERE topic = $1 AND CASE WHEN position($2 in marks) > 0 THEN position($3 in ids) > 0 ELSE false END
"""


class PostgresBatchCounts:
    """Rows of `batch_id` of one topic."""

    def __init__(self, pool: Pool, topic: str) -> None:
        self._pool = pool
        self._topic = topic

    async def batch_status(self, batch_id: bytes) -> BatchStatus | None:
        """What became of a batch; None: nothing of it has counted within a day. Raises `Unavailable`."""
        stem = batch_id[:STEM_BYTES]
        async with connection(self._pool) as conn:
            rows = await conn.fetch(HOLDING, self._topic, stem[:MARK_BYTES], stem)
        try:
            found = [(partition, _notes_of(stem, Row(*row))) for partition, *row in rows]
        except UnknownVersion as unknown:
            raise Unavailable("postgres", str(unknown)) from unknown
        found = [(partition, notes) for partition, notes in found if len(notes)]
        if not found:
            return None
        return BatchStatus(
            min(int(notes["received_s"].min()) for _, notes in found) * 1000,
            len({partition for partition, _ in found}),
            sum(int(notes["rows"].sum()) for _, notes in found),
        )


def _notes_of(stem: bytes, row: Row) -> NDArray[np.void]:
    """What is stored beside the ids that begin so."""
    found = batch_ids.decode(row)
    stems = np.frombuffer(found.ids, np.uint8).reshape(-1, BATCH_ID_BYTES)[:, :STEM_BYTES]
    mine = (stems == np.frombuffer(stem, np.uint8)).all(axis=1)
    return found.notes[np.flatnonzero(mine)]
