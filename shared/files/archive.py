"""The archive: which rows are in it, when a day of them is closed, and what its files are called. Pure.

Times are milliseconds UTC, days begin at midnight UTC. A file holds all rows of a tenant and a day of a table, in one
order, so that equal rows make equal bytes. Its name holds their hash: another content is another file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shared.files.columns import WRITERS, Column
from shared.files.tables import EVENTS, WINDOWS, Table
from shared.model.window import MAX_EVENT_AGE_MS, MAX_POINT_AGE_MS, TIERS_MS

DAY_MS = 24 * 3600 * 1000

LOG_KEPT_MS = 3 * DAY_MS
"""How long the log keeps records: what was not read by then is lost, and counted so."""

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Archived:
    """A table whose days go into the archive."""

    table: str
    """Table of Postgres, and folder of the archive."""
    of: Table
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    """SQL that puts the rows of a tenant in an order, no two of them at one place."""
    revisions: str
    """SQL of a number that grows when a row is changed."""
    closes_after_ms: int
    """A day cannot change any more when time is so far beyond its end."""
    by_watermark: bool
    """Whether that time is the lowest watermark, else the clock of Postgres."""


_WINDOWS = (
    Column("series_id", "integer", "r.series_id"), *WINDOWS.columns, *WINDOWS.sketch,
    Column("distinct_sketch", "bytes", "r.distinct_sketch"),
)  # fmt: skip

ARCHIVED: Mapping[str, Archived] = {
    **{
        table: Archived(
            table, WINDOWS, _WINDOWS, ("s.metric", "r.series_id", "r.window_start"), "r.revision", MAX_POINT_AGE_MS,
            by_watermark=True,
        )
        for table in ("rollup_1m", "rollup_15m")
    },
    "event": Archived(
        "event", EVENTS, EVENTS.columns, ("r.ts", "r.event_id", "r.received_at"), "0", MAX_EVENT_AGE_MS + LOG_KEPT_MS,
        by_watermark=False,
    ),
}  # fmt: skip
"""What can be archived, by table."""

TIER_TABLES = dict(zip(TIERS_MS[1:], ("rollup_1m", "rollup_15m"), strict=True))
"""The table of each tier whose rows are archived."""

TENANT = Column("tenant_id", "integer", "tenant_id")
"""What is read before the columns of a row, to tell whose it is."""


def day_of(ms: int) -> date:
    """The day that holds an instant."""
    return EPOCH + timedelta(days=ms // DAY_MS)


def begin_ms(day: date) -> int:
    """When a day begins."""
    return (day - EPOCH).days * DAY_MS


def closed_until(archived: Archived, time_ms: int) -> date:
    """Days before this are closed when time is here."""
    return day_of(time_ms - archived.closes_after_ms)


def folder_of(table: str, tenant_id: int, day: date) -> str:
    """Where the file of a tenant and day lies, as Hive, Spark, Trino and DuckDB read partitions."""
    return f"{table}/tenant={tenant_id}/day={day}"


def name_of(table: str, tenant_id: int, day: date, sha256: str) -> str:
    """What the file of a tenant and day is called."""
    return f"{folder_of(table, tenant_id, day)}/{sha256[:32]}.parquet"


def statement(archived: Archived) -> str:
    """The statement that reads a day, `$1` to `$2`, tenant by tenant, each in order; the tenant is its first field."""
    write = WRITERS["fields"]
    selected = ", ".join(
        f"s.{column.name}" if column.of_series else write(column) for column in archived.columns
    )
    order = ", ".join(archived.order)
    within = f"{archived.of.time} >= $1::timestamptz AND {archived.of.time} < $2::timestamptz"
    own = [column for column in archived.columns if column.of_series]
    if not own:
        return (
            f"SELECT r.tenant_id, {selected} FROM {archived.table} r WHERE {within} "  # noqa: S608 # names of ours
            f"ORDER BY r.tenant_id, {order}"
        )
    series = ", ".join(f"{write(column)} AS {column.name}" for column in own)
    return (
        f"WITH s AS MATERIALIZED (SELECT s.series_id, s.tenant_id, {series} FROM series s) "  # noqa: S608
        f"SELECT s.tenant_id, {selected} FROM {archived.table} r JOIN s USING (series_id) WHERE {within} "
        f"ORDER BY s.tenant_id, {order}"
    )


def counting(archived: Archived) -> str:
    """The statement that counts a day, `$1` to `$2`: rows and revisions by tenant."""
    tenant = "s" if any(column.of_series for column in archived.columns) else "r"
    join = "JOIN series s USING (series_id)" if tenant == "s" else ""
    return (
        f"SELECT {tenant}.tenant_id, count(*) AS rows, sum({archived.revisions})::bigint AS revisions "  # noqa: S608
        f"FROM {archived.table} r {join} "
        f"WHERE {archived.of.time} >= $1 AND {archived.of.time} < $2 GROUP BY {tenant}.tenant_id"
    )


def columns_read(archived: Archived) -> Sequence[Column]:
    """The columns of what `statement` reads."""
    return (TENANT, *archived.columns)
