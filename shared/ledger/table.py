"""Writes the table `ledger_1m`: one upsert a commit, inside the transaction that moves the checkpoints.

Minutes are milliseconds UTC. A row belongs to a partition, so that two workers never wait for each other.

Invariant: a transaction adds both sides of the equation or neither, so the ledger closes at every commit.
"""

from collections.abc import Mapping

from shared.ledger.entries import Entry
from shared.postgres.connections import Connection
from shared.postgres.instants import at
from shared.postgres.maintenance import Partitioned

MAINTENANCE = (Partitioned("ledger_1m"),)
"""Keeps the partitions of the ledger."""

_ADD = """
INSERT INTO ledger_1m AS stored (minute, tenant_id, topic, partition, outcome, count)
SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::bigint[])
ON CONFLICT (minute, tenant_id, topic, partition, outcome) DO UPDATE SET count = stored.count + excluded.count
"""


async def add(conn: Connection, counts: Mapping[tuple[str, int], Mapping[Entry, int]]) -> None:
    """Add the counts since the previous checkpoint of each partition, given by topic and number."""
    rows = [
        (at(minute_ms), tenant_id, *partition, outcome, number)
        for partition, entries in counts.items()
        for (minute_ms, tenant_id, outcome), number in entries.items()
        if number
    ]
    if rows:
        await conn.execute(_ADD, *map(list, zip(*rows, strict=True)))
