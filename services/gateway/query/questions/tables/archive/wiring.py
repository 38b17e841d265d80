"""Wires the archive into the tables, where there is one; nothing of it is imported where there is none.

Whoever names an archive needs pyarrow, the extra `analytics`.
"""

from collections.abc import Mapping

from cachetools import TTLCache

from services.gateway.query.questions.ports import ArchivedSince, Tables, nothing_archived
from shared.errors import Misconfigured
from shared.files import catalogue
from shared.files.archive import TIER_TABLES, begin_ms
from shared.postgres.connections import Pool, connection
from shared.runtime.clock import now_ms

SINCE_S = 60.0
"""How long it is remembered since when the archive has rows: it only grows towards now."""


def archived_since(address: str, pool: Pool) -> ArchivedSince:
    """Since when the archive has rows of each tier: nothing where there is none."""
    if not address:
        return nothing_archived
    known: TTLCache[str, Mapping[int, int]] = TTLCache(1, SINCE_S)

    async def since() -> Mapping[int, int]:
        if "" not in known:
            async with connection(pool) as conn:
                days = {tier: await catalogue.first_day(conn, table) for tier, table in TIER_TABLES.items()}
            known[""] = {tier: begin_ms(day) for tier, day in days.items() if day is not None}
        return known[""]

    return since


def with_archive(address: str, tables: Tables, pool: Pool, most_rows: int) -> Tables:
    """Tables that know of the archive at this address; raise `Misconfigured` where it cannot be read at all."""
    if not address:
        return tables
    try:
        from services.gateway.query.questions.tables.archive.tables import ArchivedTables  # noqa: PLC0415  pyarrow may be absent
        from shared.files.store import Store  # noqa: PLC0415  as above
    except ModuleNotFoundError as missing:
        raise Misconfigured(
            f"archive: {missing.name} is not installed; `tidegauge[analytics]` brings it"
        ) from missing
    return ArchivedTables(tables, pool, Store(address), most_rows, now_ms)
