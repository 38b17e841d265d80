"""Writes the ledger: one upsert a commit, inside the transaction that moves the checkpoints.

Minutes are milliseconds UTC. A row bears its partition, so that two workers never wait for one. The law: what a
transaction adds is both sides of the equation, or none, so the ledger closes at every commit.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from shared.model.ledger import Entry, Ledger, dead_lettered, minute_of
from shared.postgres.connections import Connection
from shared.postgres.instants import at
from shared.stream.processor import Cut, Key
from shared.wire.ledger_entries import salvaged

MAINTENANCE = (
    "SELECT ensure_partitions('ledger_1m', interval '1 day', interval '1 day', interval '30 days')",
)
"""Keeps partitions ahead of time and drops those past retention."""

_ADD = """
INSERT INTO ledger_1m AS stored (minute, tenant_id, topic, partition, outcome, count)
SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::bigint[])
ON CONFLICT (minute, tenant_id, topic, partition, outcome) DO UPDATE SET count = stored.count + excluded.count
"""


async def add(conn: Connection, counts: Mapping[Key, Mapping[Entry, int]]) -> None:
    """Add what each partition has counted since its previous checkpoint."""
    rows = [
        (at(minute_ms), tenant_id, *key, outcome, number)
        for key, entries in counts.items()
        for (minute_ms, tenant_id, outcome), number in entries.items()
        if number
    ]
    if rows:
        await conn.execute(_ADD, *map(list, zip(*rows, strict=True)))


def dead_lettered_in(cut: Cut[Any]) -> Counter[Entry]:
    """What became of those in the dead letters of a cut, by the minute of append: their own times may be wrong."""
    found = Ledger()
    for dead in cut.dead:
        found.add(minute_of(dead.appended_at_ms), dead_lettered(salvaged(dead.value), dead.code))
    return found.take()
