"""`tidegauge archive enable`, `disable` and `status`: which tables are archived, and what of them is.

Days are those of UTC.
"""

from collections.abc import Iterator
from typing import Any

from shared.errors import Misconfigured
from shared.files import catalogue
from shared.files.archive import ARCHIVED
from shared.postgres import connections

_SET = "UPDATE retention SET archive = $2 WHERE table_name = $1"

_STATUS = """
SELECT r.table_name, r.archive, r.keep, oldest_day(r.table_name::regclass) AS oldest,
       (archived_until(r.table_name) AT TIME ZONE 'UTC')::date AS removable_before,
       d.days, d.latest, f.files, f.rows, f.bytes
FROM retention r
    LEFT JOIN LATERAL (
        SELECT count(*) AS days, max(day) AS latest FROM archive_day WHERE table_name = r.table_name
    ) AS d ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS files, coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(bytes), 0)::bigint AS bytes
        FROM archive_file WHERE table_name = r.table_name
    ) AS f ON true
WHERE r.table_name = ANY($1) ORDER BY r.table_name
"""

_HEAD = (
    "table",
    "archived",
    "kept for",
    "days",
    "latest",
    "files",
    "rows",
    "bytes",
    "in the tables from",
    "may go before",
)


async def enable(postgres: str, table: str, *, on: bool) -> None:
    """Have a table archived from now on, or no more. Raises `Misconfigured` for one that cannot be."""
    if table not in ARCHIVED:
        raise Misconfigured(f"{table!r} cannot be archived; {', '.join(ARCHIVED)} can")
    async with connections.single(postgres) as conn:
        await conn.execute(_SET, table, on)


async def status(postgres: str) -> tuple[list[Any], list[str]]:
    """A row for each table that can be archived, and what is overdue."""
    async with connections.single(postgres) as conn:
        rows = list(await conn.fetch(_STATUS, list(ARCHIVED)))
        return rows, catalogue.warnings_of(await catalogue.overdue(conn))


def table_of(rows: list[Any]) -> Iterator[str]:
    """The rows as lines."""
    lines = [_HEAD, *map(_line, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _line(row: Any) -> tuple[str, ...]:
    before = str(row["removable_before"] or "today") if row["archive"] else "(by age alone)"
    counts = (f"{row[name]:,}" for name in ("files", "rows", "bytes"))
    return (
        row["table_name"], "yes" if row["archive"] else "no", f"{row['keep'].days} days", str(row["days"]),
        str(row["latest"] or "none"), *counts, str(row["oldest"] or "none"), before,
    )  # fmt: skip
