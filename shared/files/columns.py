"""Columns of exports: what each is called, what it holds, and how Postgres writes it as text. Pure.

Times are RFC 3339 in UTC, in a session whose zone is UTC; objects and lists are JSON. A null is an empty field of CSV,
and `null` in JSON. Floats are written so that they read back to the last bit.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple

Type = Literal[
    "time", "text", "float", "integer", "flag", "labels", "json", "integers", "floats", "times", "bytes"
]
"""What a column holds: `labels` are those of a series, `json` is any object, the plurals are lists, `bytes` are written
in hexadecimal digits."""

Writing = Literal["csv", "json", "fields"]
"""How rows are written: as CSV, as lines of JSON, or as CSV that becomes columns."""

Take = Callable[[bytes], Awaitable[None]]
"""Takes some whole rows of text."""

PAIR_END, NAME_END = "\x1e", "\x1f"
"""What ends each label, and its name, in `fields`; labels hold no control characters."""


class Column(NamedTuple):
    """One column."""

    name: str
    type: Type
    sql: str = ""
    """Expression over the table that it is read from."""
    of_series: bool = False
    """Whether it is a property of the series, and so written once for all of its rows."""


_TIME = "replace(({sql} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'"
_LIST = "translate({sql}::text, '{{}}', '[]')"
_LABELS = (
    "(SELECT coalesce(string_agg(key || '" + NAME_END + "' || value || '" + PAIR_END + "', '' ORDER BY key), '') "
    "FROM jsonb_each_text({sql}))"
)  # fmt: skip

_CSV = {
    "time": _TIME, "labels": "{sql}::text", "json": "{sql}::text", "integers": _LIST, "floats": _LIST,
    "times": "to_json({sql})::text", "flag": "{sql}::text", "bytes": "encode({sql}, 'hex')",
}  # fmt: skip
"""How a field of CSV is written, where it is not written as Postgres writes it anyway."""

_JSON = {
    **_CSV,
    "time": f"""'"' || {_TIME} || '"'""",
    "text": "to_json({sql})::text",
    **dict.fromkeys(("float", "integer"), "{sql}::text"),
    "bytes": "to_json(encode({sql}, 'hex'))::text",
}


def _as_csv(column: Column) -> str:
    return _CSV.get(column.type, "{sql}").format(sql=column.sql)


def _as_field(column: Column) -> str:
    return _LABELS.format(sql=column.sql) if column.type == "labels" else _as_csv(column)


def _as_json(column: Column) -> str:
    return f"coalesce({_JSON[column.type].format(sql=column.sql)}, 'null')"


WRITERS: dict[Writing, Callable[[Column], str]] = {"csv": _as_csv, "json": _as_json, "fields": _as_field}
"""SQL of a value, by how rows are written."""


def json_object(columns: Sequence[Column], values: Sequence[str]) -> str:
    """SQL of an object with these columns, whose values are SQL of JSON."""
    parts = [
        f"""'{"," if place else "{"}"{column.name}":', {value}"""
        for place, (column, value) in enumerate(zip(columns, values, strict=True))
    ]
    return f"concat({', '.join(parts)}, '}}')"
