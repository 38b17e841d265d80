"""Reads the rows of exports from Postgres, as text and under one snapshot.

Times are milliseconds UTC, spans seconds. A snapshot is one transaction, repeatable and read-only, whose tables are
locked against removal before it is taken: what it does not see was never there. An absent server raises `Unavailable`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from services.gateway.query.exports.asked.export import Export, TableRows
from shared.errors import Unavailable
from shared.files.columns import Take, Writing
from shared.ledger import queries
from shared.postgres import connections, planning
from shared.postgres.connections import Connection, Pool, connection
from shared.postgres.instants import at

SILENT_S = 60.0
"""How long Postgres may be silent."""

SPARE_S = 10.0
"""How much later than the limit of an export its statement is ended, in case that nobody else can."""

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_PLAIN: Mapping[str, str] = {"quote": "\x01", "delimiter": "\x02"}
"""JSON of Postgres holds neither of these characters, so that each row is written as it is."""


async def exports_pool(dsn: str, size: int, longest_s: float) -> Pool:
    """Connections that may be busy with one statement for so long."""
    limits = {"statement_timeout": str(int(1000 * (longest_s + SPARE_S)))}
    return await connections.pool(dsn, size, {**planning.IN_BULK, **limits}, writes=False)


class Snapshot:
    """The tables as they were at one moment."""

    def __init__(
        self, conn: Connection, rows: TableRows, complete_until_ms: int | None, longest_s: float
    ) -> None:
        self._conn = conn
        self._rows = rows
        self._longest_s = longest_s
        self.complete_until_ms = complete_until_ms
        """Windows that end at or before this are whole in it; None: not known."""

    async def copy(self, export: Export, take: Take, writing: Writing) -> int:
        """Hand over the rows as text; how many there were. Time that `take` uses is not the server's."""
        rows = self._rows
        statement, values = rows.statement(export.columns, writing)
        plain = _PLAIN if writing == "json" else {}
        try:
            async with asyncio.timeout(SILENT_S) as patience:

                async def output(chunk: bytes) -> None:
                    patience.reschedule(None)
                    await take(chunk)
                    patience.reschedule(asyncio.get_running_loop().time() + SILENT_S)

                said: str = await self._conn.copy_from_query(
                    statement, export.tenant_id, at(rows.from_ms), at(rows.to_ms), *values,
                    output=output, timeout=self._longest_s + SPARE_S, format="csv", **plain,
                )  # fmt: skip
        except TimeoutError as error:
            raise Unavailable("postgres", "no rows in time") from error
        return int(said.split()[1])


class PostgresRows:
    """Takes snapshots; `topics` names the topic of each signal."""

    def __init__(self, pool: Pool, topics: Mapping[str, str], longest_s: float) -> None:
        self._pool = pool
        self._topics = topics
        self._longest_s = longest_s

    @asynccontextmanager
    async def snapshot(self, export: Export) -> AsyncIterator[Snapshot]:
        """The tables of an export, for as long as the block lasts; what breaks it leaves no statement running."""
        rows = export.rows
        assert isinstance(rows, TableRows)  # noqa: S101 - whoever wires it sees to that
        async with connection(self._pool) as conn:
            try:
                await conn.execute(_BEGIN)
                await conn.execute(f"LOCK TABLE {rows.relation} IN ACCESS SHARE MODE")
                yield Snapshot(conn, rows, await self._complete_until_ms(conn, rows), self._longest_s)
                await conn.execute("COMMIT")
            except BaseException:
                if not conn.is_closed():
                    conn.terminate()
                raise

    async def _complete_until_ms(self, conn: Connection, rows: TableRows) -> int | None:
        signal = rows.table.signal
        return await queries.complete_until_ms(conn, self._topics[signal]) if signal else None
