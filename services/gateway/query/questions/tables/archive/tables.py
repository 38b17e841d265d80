"""The tables and the archive as one: rows of the days that the tables have let go of come from files.

Times are milliseconds UTC. Dropped days lie before all others, so that a range is split at one instant; where that
moves while rows are read, they are read again. Invariant: each row is taken once.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

from services.gateway.query.questions.grouped import Grouped, combined, grouped
from services.gateway.query.questions.ports import Loaded, Standing, Tables
from services.gateway.query.questions.question import Refused
from services.gateway.query.questions.selection import Selection
from shared.errors import Unavailable
from shared.files import catalogue
from shared.files.archive import DAY_MS, TIER_TABLES, day_of
from shared.files.catalogue import File
from shared.files.store import Store
from shared.postgres.connections import Pool, connection

KEPT_MS = 9 * DAY_MS
"""Rows that are newer are in the tables, whatever `retention` says: it lets nobody keep less."""

ATTEMPTS = 3
"""How often rows are read while the tables let go of days."""


class ArchivedTables:
    """Closed rows in the tables and in the archive."""

    def __init__(
        self, tables: Tables, pool: Pool, store: Store, most_rows: int, clock: Callable[[], int]
    ) -> None:
        self._tables = tables
        self._pool = pool
        self._store = store
        self._most_rows = most_rows
        self._clock = clock

    async def standing(self) -> Mapping[int, Standing]:
        """Where each partition stands."""
        return await self._tables.standing()

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """Rows of the windows of a tier that start in [from, to). Raises `Refused`, `Unavailable`."""
        table = TIER_TABLES.get(tier_ms)
        if table is None or from_ms >= self._clock() - KEPT_MS:
            return await self._tables.load(selection, tier_ms, from_ms, to_ms)
        edge_ms = await self._edge_ms(table)
        for _ in range(ATTEMPTS):
            split_ms = min(max(from_ms, edge_ms), to_ms)
            loaded = await self._tables.load(selection, tier_ms, split_ms, to_ms)
            old = await self._archived(table, selection, tier_ms, (from_ms, split_ms))
            again_ms = await self._edge_ms(table)
            if again_ms == edge_ms or min(again_ms, to_ms) <= split_ms:
                return (
                    loaded if old is None else Loaded(combined([old, loaded.rows], tier_ms), loaded.standing)
                )
            edge_ms = again_ms
        raise Unavailable("the archive", "the tables let go of days all the while")

    async def _edge_ms(self, table: str) -> int:
        async with connection(self._pool) as conn:
            return await catalogue.dropped_before_ms(conn, table)

    async def _archived(
        self, table: str, selection: Selection, tier_ms: int, span: tuple[int, int]
    ) -> Grouped | None:
        from_ms, to_ms = span
        if from_ms >= to_ms:
            return None
        files = await self._files(table, selection.tenant_id, from_ms, to_ms)
        return await asyncio.to_thread(self._read, files, selection, tier_ms, span) if files else None

    async def _files(self, table: str, tenant_id: int, from_ms: int, to_ms: int) -> list[File]:
        last = day_of(to_ms - 1) + timedelta(days=1)
        async with connection(self._pool) as conn:
            return await catalogue.files(conn, table, tenant_id, day_of(from_ms), last)

    def _read(self, files: list[File], selection: Selection, tier_ms: int, span: tuple[int, int]) -> Grouped:
        from services.gateway.query.questions.tables.archive.reading import parts  # noqa: PLC0415  pyarrow takes a moment

        found = []
        for file in files:
            found += parts(self._store, [file.name], selection, *span)
            if (rows := sum(len(part.rollups) for part in found)) > self._most_rows:
                raise Refused(
                    "too_expensive",
                    f"by: more than {self._most_rows:,} rows of the archive are in the range ({rows:,} so far)",
                    "/by",
                    status=422,
                )
        return grouped(selection, found, tier_ms)
