"""The rows of exported files as values of Python, and the same rows as SQL gives them.

Times are `datetime` in UTC; labels and other objects are dicts, lists are lists, nulls are None.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq

from shared.files.columns import Column
from shared.files.tables import Table

Row = dict[str, Any]


def _floats(values: Sequence[float]) -> list[float]:
    return list(map(float, values))


def _times(values: Sequence[str]) -> list[datetime]:
    return [datetime.fromisoformat(value).astimezone(UTC) for value in values]


_OF_CSV: Mapping[str, Callable[[str], Any]] = {
    "time": datetime.fromisoformat, "text": str, "float": float, "integer": int, "flag": lambda text: text == "true",
    "labels": json.loads, "json": json.loads, "integers": json.loads, "floats": lambda text: _floats(json.loads(text)),
    "times": lambda text: _times(json.loads(text)),
}  # fmt: skip
_OF_JSON: Mapping[str, Callable[[Any], Any]] = {
    "time": datetime.fromisoformat, "times": _times, "float": float, "floats": _floats,
}  # fmt: skip
_OF_COLUMNS: Mapping[str, Callable[[Any], Any]] = {"json": json.loads}


def read(name: str, content: bytes, columns: Sequence[Column]) -> list[Row]:
    """The rows of a file."""
    match name:
        case "csv":
            # An empty text and a null are one to this reader.
            rows = [dict(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]
            return [_typed(row, columns, _OF_CSV, null="") for row in rows]
        case "jsonl":
            return [_typed(json.loads(line), columns, _OF_JSON) for line in content.splitlines()]
        case "parquet":
            table = pq.read_table(pa.BufferReader(content))
        case _:
            table = pa.ipc.open_file(content).read_all()
    return [_typed(row, columns, _OF_COLUMNS) for row in table.to_pylist(maps_as_pydicts="strict")]


def _typed(
    row: Row, columns: Sequence[Column], readers: Mapping[str, Callable[[Any], Any]], null: str | None = None
) -> Row:
    assert list(row) == [column.name for column in columns]
    return {  # lists have no hash
        column.name: None
        if row[column.name] in (None, null)
        else readers.get(column.type, _same)(row[column.name])
        for column in columns
    }


def _same(value: Any) -> Any:
    return value


async def rows_of(
    postgres: str, table: Table, relation: str, tenant_id: int, *, sketch: bool = False
) -> list[Row]:
    """The rows of a tenant, as a plain statement gives them."""
    columns = table.columns + (table.sketch if sketch else ())
    selected = ", ".join(f'{column.sql} AS "{column.name}"' for column in columns)
    join = (
        "JOIN series s USING (series_id) WHERE s.tenant_id = $1"
        if table.name == "windows"
        else "WHERE tenant_id = $1"
    )
    conn = await asyncpg.connect(postgres)
    try:
        for name in ("json", "jsonb"):
            await conn.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        found = await conn.fetch(f"SELECT {selected} FROM {relation} r {join}", tenant_id)
    finally:
        await conn.close()
    return [dict(row) for row in found]


def ordered(rows: Sequence[Row]) -> list[str]:
    """Rows as texts in an order, so that two files in different orders compare."""
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
