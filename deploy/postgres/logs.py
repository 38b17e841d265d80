"""The logs that checkpoints were written for: read, and replaced by the log that is there now.

Offsets are Kafka's where the name says so, else those of the checkpoints. Invariant: nothing but the place in the log
changes: what was counted stays, and offsets of checkpoints never fall.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.postgres.connections import AnyConnection
from shared.stream.log.expected import COLUMNS, recorded
from shared.stream.log.identity import LastRecord, LogIdentity

_READ = f"""
SELECT partition, epoch, next_offset, offset_base, {COLUMNS}
FROM partition_state WHERE topic = $1 ORDER BY partition
"""  # noqa: S608 # the text is a constant

_ACCEPT = """
UPDATE partition_state s
SET epoch = s.epoch + 1, owner = '', attempts = 0,
    offset_base = s.next_offset - new.begin, cluster_id = $7, topic_id = $8, partitions = $9,
    routed_by = $10, updated_at = now(),
    last_offset = CASE WHEN new.same THEN s.last_offset END
FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
    AS new (partition, epoch, next_offset, begin, same)
WHERE s.topic = $1 AND s.partition = new.partition AND s.epoch = new.epoch AND s.next_offset = new.next_offset
RETURNING s.partition
"""
"""Where the log differs, the last record is not known any more, even at the same offset: it lies in the other log."""

_KEEP_GROUPS = """
UPDATE prepared_group SET epoch = epoch + 1 WHERE topic = $1 AND partition = ANY($2::integer[])
"""
"""No owner has come in between that kept none."""


class LogCheckpoint(NamedTuple):
    """Where a partition stands, and in which log."""

    partition: int
    epoch: int
    next_offset: int
    offset_base: int
    log: LogIdentity | None
    last: LastRecord | None

    @property
    def next_in_kafka(self) -> int:
        """The next record, by its offset in Kafka."""
        return self.next_offset - self.offset_base


async def read(conn: AnyConnection, topic: str) -> list[LogCheckpoint]:
    """The checkpoints of a topic, by partition."""
    return [
        LogCheckpoint(partition, epoch, next_offset, offset_base, *recorded(rest))
        for partition, epoch, next_offset, offset_base, *rest in await conn.fetch(_READ, topic)
    ]


async def accept(
    conn: AnyConnection, topic: str, log: LogIdentity, begins: Sequence[tuple[LogCheckpoint, int, bool]]
) -> set[int]:
    """Let checkpoints go on in this log, each at its offset in Kafka; `True` where the last record is the same.

    Returns those that nobody moved meanwhile.
    """
    rows = [(at.partition, at.epoch, at.next_offset, begin, same) for at, begin, same in begins]
    columns = map(list, zip(*rows, strict=True))
    async with conn.transaction():
        found = await conn.fetch(_ACCEPT, topic, *columns, *log)
        moved = {row["partition"] for row in found}
        await conn.execute(_KEEP_GROUPS, topic, list(moved))
    return moved
