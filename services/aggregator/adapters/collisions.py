"""Series whose id is already another's: the table `series_collision`, and what the tables do about it.

A keyed id makes two series collide once in 2^64 pairs. Ids without a key can be made to: so rows of the second series
go to an overflow series, and no worker ends.
"""

from collections.abc import Callable, Mapping, Sequence

import orjson
import structlog

from services.aggregator.domain.work import RollupWork
from shared.model.series import Series
from shared.postgres import planning
from shared.postgres.connections import Connection
from shared.stream.processor import Key
from shared.wire.series import pack, unpack

OVERFLOW = "overflow"
"""The label of overflow series, with the value `true`, as the gateway's limit of series has it."""

_INSERT = """
INSERT INTO series AS stored (series_id, tenant_id, metric, kind, unit, labels)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
    AS new (series_id, tenant_id, metric, kind, unit, labels) ORDER BY series_id
ON CONFLICT (series_id) DO UPDATE SET seen_on = excluded.seen_on WHERE stored.seen_on < excluded.seen_on
RETURNING series_id, stored.xmax = 0
"""
"""A series comes again once in a span of log time in which it has points; then only its day changes. Rows that are new
have no `xmax`."""

_OTHERS = """
SELECT series_id FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
    AS new (series_id, tenant_id, metric, kind, unit, labels) JOIN series s USING (series_id)
WHERE (s.tenant_id, s.metric, s.kind, s.unit, s.labels) <> (new.tenant_id, new.metric, new.kind, new.unit, new.labels)
"""

_KEEP = """
INSERT INTO series_collision (series, series_id) SELECT * FROM unnest($1::bytea[], $2::bigint[])
ON CONFLICT DO NOTHING
"""

_KEPT = "SELECT series FROM series_collision"

_BY_KEY = planning.local(planning.BY_KEY)

_log = structlog.get_logger(__name__)


def overflow_in(partition: int) -> Callable[[bytes, int], bytes]:
    """The overflow series that rows of this partition go to; no two partitions share one."""

    def named(packed: bytes, attempt: int) -> bytes:
        series = unpack(packed)
        labels = [(OVERFLOW, "true"), ("partition", str(partition))]
        if attempt:
            labels.append(("attempt", str(attempt)))
        return pack(Series(series.tenant_id, series.metric, series.kind, series.unit, tuple(sorted(labels))))

    return named


async def kept(conn: Connection) -> frozenset[bytes]:
    """Series that were found to have the id of another."""
    return frozenset([row[0] for row in await conn.fetch(_KEPT)])


async def save_series(
    conn: Connection, works: Mapping[Key, RollupWork], id_of: Callable[[bytes], int]
) -> None:
    """Write new series. Rows of one whose id the table gives to another are moved to its overflow series."""
    pending = [(work, packed) for work in works.values() for packed in work.new_series]
    while pending:
        others = await _others(conn, [packed for _, packed in pending], id_of)
        moved = dict.fromkeys(one for one in pending if one[1] in others)
        pending = [(work, work.overflow(packed)) for work, packed in moved]
    found = list(dict.fromkeys(packed for work in works.values() for packed in work.collisions))
    if found:
        _log.error("series without an id of their own", count=len(found), first=repr(unpack(found[0])))
        await conn.execute(_KEEP, found, list(map(id_of, found)))


async def _others(conn: Connection, new: Sequence[bytes], id_of: Callable[[bytes], int]) -> set[bytes]:
    """Insert these series; those of them whose id is another's."""
    by_id: dict[int, bytes] = {}
    others = {packed for packed in new if by_id.setdefault(id_of(packed), packed) != packed}
    written = await conn.fetch(_INSERT, *_columns(by_id))
    there = by_id.keys() - {series_id for series_id, is_new in written if is_new}
    if there:
        await conn.execute(_BY_KEY)
        columns = _columns({one: by_id[one] for one in there})
        others |= {by_id[row[0]] for row in await conn.fetch(_OTHERS, *columns)}
    return others


def _columns(by_id: Mapping[int, bytes]) -> tuple[list[object], ...]:
    known = list(map(unpack, by_id.values()))
    return (
        list(by_id),
        [s.tenant_id for s in known],
        [s.metric for s in known],
        [s.kind for s in known],
        [s.unit for s in known],
        [orjson.dumps(dict(s.labels)).decode() for s in known],
    )
