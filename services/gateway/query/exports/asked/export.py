"""What an export is asked for, as a client writes it in JSON. Pure: values in, values out.

Times are milliseconds UTC inside; in a body they are whatever those of questions may be. What is wrong is refused with
the name of its field, and with its place where it stands in a question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import msgspec

from services.gateway.query.exports.asked.where import matchers_of, sql_of
from services.gateway.query.questions.calendar import time_of
from services.gateway.query.questions.question import (
    AskBody,
    Question,
    QuestionBody,
    Refused,
    question,
)
from services.gateway.query.questions.selection import Matcher
from shared.errors import Rejected
from shared.files.columns import Column, Writing
from shared.files.tables import RESOLUTIONS, TABLES, WINDOWS, Table, statement

FORMATS = ("csv", "jsonl", "parquet", "arrow")
"""What a file may be: text, or columns that end in a footer."""

DEFAULT_RESOLUTION = "1m"

EVERY_GROUP = 1 << 30
"""Groups of a question that does not name the largest: nothing of an export is put together as a rest."""

_UTC = ZoneInfo("UTC")


class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from", "until": "to"}):
    """What a client writes."""

    table: str = ""
    question: QuestionBody | None = None
    since: str | int = ""
    until: str | int = ""
    where: list[str] = []
    metric: str = ""
    resolution: str = ""
    format: str = "csv"
    sketch: bool = False


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of a table."""

    table: Table
    from_ms: int
    to_ms: int
    where: tuple[Matcher, ...] = ()
    """All of them must match."""
    metric: str = ""
    """Of windows: this metric alone; empty: all."""
    resolution: str = ""
    """Of windows: the tier."""

    @property
    def relation(self) -> str:
        """The table of Postgres."""
        return self.table.relation.format(RESOLUTIONS.get(self.resolution, ""))

    def statement(self, columns: Sequence[Column], writing: Writing) -> tuple[str, list[object]]:
        """The statement that reads these columns, with its values from `$4` on."""
        conditions, values = [], list[object]()
        if self.metric:
            conditions.append("s.metric = $4::text")
            values.append(self.metric)
        for matcher in self.where:
            text, more = sql_of(matcher, self.table.names, 4 + len(values))
            conditions.append(text)
            values += more
        return statement(self.table, self.relation, columns, conditions, writing), values


@dataclass(frozen=True, slots=True)
class Export:
    """Rows of one tenant in one format."""

    tenant_id: int
    format: str
    name: str
    """Of the file, without its ending."""
    columns: tuple[Column, ...]
    """What each row holds."""
    asked: dict[str, object]
    """The body as it was understood: what was not given is in it."""
    rows: TableRows | Question
    """What is exported."""


def export_of(body: Body, tenant_id: int, now_ms: int, archived: Mapping[int, int] = {}) -> Export:
    """The export that a body asks for; raise `Rejected` with the name of the field that is wrong."""
    _one_of("format", body.format, FORMATS)
    if "\x00" in "".join((body.metric, *body.where)):
        raise Rejected("invalid_where", "where: holds characters that no name has")
    if body.question is not None:
        return _of_question(body, body.question, (tenant_id, now_ms, archived))
    table = TABLES[_one_of("table", body.table, tuple(TABLES))]
    until_ms = now_ms + 1 if body.until == "" else time_of("to", body.until, _UTC, now_ms)
    since_ms = 0 if body.since == "" else time_of("from", body.since, _UTC, now_ms)
    if since_ms >= until_ms:
        raise Rejected("invalid_range", "from: must be before to")
    where = matchers_of(body.where, table.names)
    rows = TableRows(table, since_ms, until_ms, where, body.metric, _resolution(body, table))
    columns = table.columns + (table.sketch if body.sketch else ())
    told = {"table": table.name, "from_ms": since_ms, "to_ms": until_ms, "format": body.format}
    of_some = {
        "where": body.where,
        "resolution": rows.resolution,
        "metric": body.metric,
        "sketch": body.sketch,
    }
    asked = told | {name: value for name, value in of_some.items() if value}
    return Export(tenant_id, body.format, table.name, columns, asked, rows)


def _of_question(body: Body, written: QuestionBody, asking: tuple[int, int, Mapping[int, int]]) -> Export:
    for field in ("table", "where", "metric", "resolution", "sketch"):
        if getattr(body, field):
            raise Rejected(f"invalid_{field}", f"{field}: stands in the question")
    common = AskBody([], since=body.since or "now-1h", until=body.until or "now")
    try:
        found = question(written, common, *asking)
    except Refused as error:
        raise Refused(
            error.code, error.message, f"/question{error.pointer}", error.instead, status=error.status
        ) from error
    if found.compared is not None:
        raise Refused("invalid_compare", "compare: export the other range by itself", "/question/compare")
    if written.top is None:
        found = replace(found, top=EVERY_GROUP)
    asked = {"question": msgspec.to_builtins(written), "format": body.format}
    asked |= {"from_ms": int(found.windows.begin_ms[0]), "to_ms": int(found.windows.end_ms[-1])}
    return Export(asking[0], body.format, "question", question_columns(found), asked, found)


FIXED = (
    Column("window_start", "time"), Column("window_end", "time"), Column("complete", "flag"),
    Column("rest", "flag"), Column("samples", "integer"), Column("revision", "integer"), Column("late", "integer"),
)  # fmt: skip
"""What every row of a question has, between the labels of its group and its figures."""


def question_columns(asked: Question) -> tuple[Column, ...]:
    """The columns of a question; a label that is called like another column gets a prefix."""
    figures = []
    for figure in asked.figures:
        figures.append(Column(figure.name, "json" if figure.name == "histogram" else "float"))
        if figure.quantile is not None:
            figures += [Column(f"{figure.name}_{end}", "float") for end in ("low", "high")]
    taken = {column.name for column in (*FIXED, *figures)}
    labels = [Column(f"label_{name}" if name in taken else name, "text") for name in asked.selection.by or ()]
    return (*labels, *FIXED, *figures)


def _one_of(field: str, text: str, choice: Sequence[str]) -> str:
    if text not in choice:
        raise Rejected(f"invalid_{field}", f"{field}: must be one of {', '.join(choice)}")
    return text


def _resolution(body: Body, table: Table) -> str:
    """The resolution of windows; what is about windows alone is refused elsewhere."""
    if table is WINDOWS:
        return _one_of("resolution", body.resolution or DEFAULT_RESOLUTION, tuple(RESOLUTIONS))
    for field in ("resolution", "metric", "sketch"):
        if getattr(body, field):
            raise Rejected(f"invalid_{field}", f"{field}: is for windows alone")
    return ""
