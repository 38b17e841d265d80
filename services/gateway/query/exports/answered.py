"""Rows of a question, made of its answer: one for each group and window, as text of whichever kind is wanted.

Times are milliseconds UTC. A question is answered in memory, within what it may cost; what closes while it is read may
be in one block of it and not in the next.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import orjson

from services.gateway.query.exports.asked.export import FIXED, Export
from services.gateway.query.exports.status import instant_of
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.question import Question
from shared.files.columns import Column, Take, Writing

BLOCK_ROWS = 5_000
"""Rows that are written at once."""


class AnsweredRows:
    """Takes questions for tables."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    @asynccontextmanager
    async def snapshot(self, export: Export) -> AsyncIterator["Answered"]:
        """The answer, whole. Raises `Refused`, `Unavailable`."""
        assert isinstance(export.rows, Question)  # noqa: S101 - whoever wires it sees to that
        yield Answered(await self._answering.answer(export.rows))


class Answered:
    """An answer as rows."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer
        self.complete_until_ms: int | None = answer["complete_until_ms"]

    async def copy(self, export: Export, take: Take, writing: Writing) -> int:
        """Hand over the rows; how many there were."""
        write = _as_json if writing == "json" else _as_csv
        asked = export.rows
        by = asked.selection.by if isinstance(asked, Question) else None
        rows, count = rows_of(self._answer, export, by or ()), 0
        while block := await asyncio.to_thread(_block, rows, write, export.columns):
            text, size = block
            count += size
            await take(text)
        return count


def rows_of(answer: Mapping[str, Any], export: Export, by: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Values in the order of the columns, group by group; `by` are the labels of a group."""
    begins, ends = ([instant_of(each) for each in answer[name].tolist()] for name in ("start_ms", "end_ms"))
    figures = [column.name for column in export.columns[len(by) + len(FIXED) :]]
    groups = [(series, False) for series in answer["series"]]
    groups += [(answer["rest"] | {"labels": {}}, True)] if "rest" in answer else []
    for series, rest in groups:
        labels = tuple(series["labels"].get(name) for name in by)
        own = (
            series["samples"],
            series["revision"],
            series["late"],
            *(series["values"][name] for name in figures),
        )
        columns = (begins, ends, answer["complete"], [rest] * len(begins), *map(_plain, own))
        for values in zip(*columns, strict=True):
            yield (*labels, *values)


def _plain(column: Any) -> list[Any]:
    """Values of Python, None for what is not known."""
    if isinstance(column, np.ndarray):
        return [None if isinstance(each, float) and math.isnan(each) else each for each in column.tolist()]
    return list(column)


def _block(
    rows: Iterator[tuple[Any, ...]],
    write: Callable[[tuple[Any, ...], Sequence[Column]], bytes],
    columns: Sequence[Column],
) -> tuple[bytes, int] | None:
    lines = [write(row, columns) for row, _ in zip(rows, range(BLOCK_ROWS), strict=False)]
    return (b"".join(lines), len(lines)) if lines else None


def _as_json(row: tuple[Any, ...], columns: Sequence[Column]) -> bytes:
    return orjson.dumps(
        {column.name: value for column, value in zip(columns, row, strict=True)},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _as_csv(row: tuple[Any, ...], _: Sequence[Column]) -> bytes:
    return (",".join(map(_field, row)) + "\n").encode()


def _field(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace('"', '""') + '"'
        case int() | float():
            return repr(value)
        case _:
            return '"' + orjson.dumps(value).decode().replace('"', '""') + '"'
