"""Makes the audit report: the ledger, the checkpoints, and whether each tier is the merge of the finer one.

Times are milliseconds UTC. The report reads one snapshot in a read-only transaction. It compares only
windows that have closed in every partition and whose finer rows are all still there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from deploy.postgres.prepared import comparison
from deploy.postgres.prepared.comparison import GroupTier
from shared.errors import Misconfigured
from shared.ledger import queries
from shared.ledger.queries import TenantMinute
from shared.model.window import BASE_MS, TIERS_MS
from shared.postgres import connections
from shared.postgres.instants import at, ms_of

STATEMENT_S = 120.0
"""Longest time for one look at the tables."""

FINE_MS = 6 * 3600 * 1000 - 60_000
"""How far behind the watermark windows of 10 s are complete."""

TIERS = (("rollup_10s", "rollup_1m", 60_000), ("rollup_1m", "rollup_15m", 900_000))
"""Finer table, coarser table, and the length of its windows."""

_CHECKPOINTS = (
    "SELECT topic, partition, next_offset - offset_base AS next_offset, watermark_ms "
    "FROM partition_state WHERE topic = ANY($1)"
)

_TIER = """
WITH fine AS (
    SELECT date_bin($4, f.window_start, 'epoch'::timestamptz) AS window_start, series_id,
           sum(f.count) AS count, sum(f.sum) AS sum, sum(abs(f.count) * greatest(abs(f.min), abs(f.max), 0)) AS size
    FROM {fine} f WHERE f.window_start >= $1 AND f.window_start < $2 GROUP BY 1, 2
), coarse AS (
    SELECT window_start, series_id, count, sum FROM {coarse} WHERE window_start >= $1 AND window_start < $2
)
SELECT window_start, metric, coalesce(t.name, tenant_id::text) AS tenant,
       fine.count AS fine_count, coarse.count AS coarse_count, fine.sum AS fine_sum, coarse.sum AS coarse_sum,
       count(*) OVER () AS compared,
       (abs(fine.count - coarse.count) <= 1e-9 * greatest(abs(fine.count), abs(coarse.count))
        AND abs(fine.sum - coarse.sum) <= 1e-9 * greatest(abs(fine.sum), abs(coarse.sum), size)) IS TRUE AS agree
FROM fine FULL JOIN coarse USING (window_start, series_id)
    JOIN series s USING (series_id) LEFT JOIN tenant t USING (tenant_id)
WHERE $3::text IS NULL OR t.name = $3
ORDER BY agree, window_start, metric LIMIT 10
"""


class TierMismatch(NamedTuple):
    """A window of a series that is not the merge of its finer ones; None: there is no row."""

    window_ms: int
    metric: str
    tenant: str
    fine: tuple[float | None, float | None]
    """Count and sum."""
    coarse: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Tier:
    """A comparison of two tiers."""

    fine: str
    coarse: str
    compared: int
    """Windows of series."""
    mismatches: Sequence[TierMismatch]
    """The first ten that differ."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the tables say."""

    minutes: Sequence[TenantMinute]
    checkpoints: Mapping[tuple[str, int], int]
    """Next offset of each partition."""
    tiers: Sequence[Tier]
    groups: Sequence[GroupTier] = ()
    """Prepared groups, held against the rows of their series."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is audited."""

    from_ms: int
    to_ms: int
    topics: Mapping[str, str]
    """By signal."""
    tenant: str | None
    """Name of the only tenant; None: all."""


async def read(dsn: str, question: Question) -> AuditReport:
    """Read everything at one instant; raise `Unavailable`, or `Misconfigured` for an unknown tenant."""
    async with (
        connections.single(dsn, command_s=STATEMENT_S) as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        await _check(conn, question)
        topics = list(question.topics.values())
        checkpoints = await conn.fetch(_CHECKPOINTS, topics)
        return AuditReport(
            await queries.minutes(conn, (question.from_ms, question.to_ms), topics, question.tenant),
            {(row["topic"], row["partition"]): row["next_offset"] for row in checkpoints},
            await _tiers(conn, question, checkpoints),
            await _groups(conn, question, checkpoints),
        )


async def _check(conn: Any, question: Question) -> None:
    if question.tenant is None:
        return
    if not await conn.fetchval("SELECT count(*) FROM tenant WHERE name = $1", question.tenant):
        raise Misconfigured(f"there is no tenant {question.tenant!r}")


async def _tiers(conn: Any, question: Question, checkpoints: Sequence[Any]) -> list[Tier]:
    topic = question.topics["points"]
    watermarks = [row["watermark_ms"] or 0 for row in checkpoints if row["topic"] == topic] or [0]
    found = []
    for fine, coarse, length_ms in TIERS:
        oldest_ms = max(watermarks) - FINE_MS if fine == "rollup_10s" else 0
        first_ms = max(question.from_ms, oldest_ms)
        first_ms += -first_ms % length_ms
        end_ms = min(question.to_ms, *watermarks)
        end_ms -= end_ms % length_ms
        if first_ms < end_ms:
            found.append(await _tier(conn, (fine, coarse, length_ms), (first_ms, end_ms), question))
    return found


async def _groups(conn: Any, question: Question, checkpoints: Sequence[Any]) -> list[GroupTier]:
    topic = question.topics["points"]
    watermarks = [row["watermark_ms"] or 0 for row in checkpoints if row["topic"] == topic] or [0]
    spans = {}
    for length_ms in TIERS_MS:
        first_ms = max(question.from_ms, max(watermarks) - FINE_MS if length_ms == BASE_MS else 0)
        end_ms = min(question.to_ms, *watermarks)
        spans[length_ms] = first_ms + -first_ms % length_ms, end_ms - end_ms % length_ms
    tenant_id = await conn.fetchval("SELECT tenant_id FROM tenant WHERE name = $1", question.tenant)
    return await comparison.compare(conn, topic, spans, tenant_id)


async def _tier(conn: Any, tier: tuple[str, str, int], span: tuple[int, int], question: Question) -> Tier:
    fine, coarse, length_ms = tier
    query = _TIER.format(fine=fine, coarse=coarse)
    rows = await conn.fetch(query, *map(at, span), question.tenant, timedelta(milliseconds=length_ms))
    mismatches = [
        TierMismatch(
            ms_of(row["window_start"]), row["metric"], row["tenant"],
            (row["fine_count"], row["fine_sum"]), (row["coarse_count"], row["coarse_sum"]),
        )
        for row in rows if not row["agree"]
    ]  # fmt: skip
    return Tier(fine, coarse, rows[0]["compared"] if rows else 0, mismatches)
