"""What an export asks of Postgres, how it stands, and what is needed for it."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.files.exports import Count
from deploy.local.folder import ROOT
from services.gateway.query.exports.asked.export import Body, TableRows, export_of
from services.gateway.query.exports.asked.where import like_of
from services.gateway.query.exports.status import SILENT_MS, Status, instant_of
from services.gateway.query.questions.selection import Matcher

NOW_MS = 1_790_000_000_000

STATUS = Status("x", 7, {}, "running", NOW_MS, NOW_MS, None)


def rows_of(**body: object) -> TableRows:
    """What a body asks of a table."""
    found = export_of(Body(**body), 7, NOW_MS).rows
    assert isinstance(found, TableRows)
    return found


def test_values_are_parameters_and_names_are_ours() -> None:
    """Nothing that a client writes stands in a statement."""
    evil = "'; DROP TABLE event; --"
    windows = rows_of(
        table="windows", metric=evil, where=[f'"{evil}"={evil}', f"a~{evil}*", f"b in({evil}, c)"]
    )
    events = rows_of(table="events", where=[f"name!={evil}"])
    texts = [rows.statement(rows.table.columns, "csv") for rows in (windows, events)]

    assert [False, False] == [evil in text for text, _ in texts]
    assert [evil, evil, [evil], "a", f"{evil}%", "b", [evil, "c"]] == texts[0][1]
    assert [[evil]] == texts[1][1]


@pytest.mark.parametrize(
    ("glob", "pattern"), [("a*", "a%"), ("50%_\\*", "50\\%\\_\\\\%"), ("", ""), ("**", "%%")]
)
def test_a_glob_is_a_pattern_of_like(glob: str, pattern: str) -> None:
    """Only `*` stands for others."""
    assert pattern == like_of(glob)


def test_what_was_not_given_is_in_what_is_kept() -> None:
    """Whoever reads the status or the footer needs no defaults."""
    found = export_of(Body(table="windows", since="now-1d", where=["a=b"], sketch=True), 7, NOW_MS)

    assert {
        "table": "windows", "from_ms": NOW_MS - 86_400_000, "to_ms": NOW_MS + 1, "format": "csv", "resolution": "1m",
        "where": ["a=b"], "sketch": True,
    } == found.asked  # fmt: skip
    assert (Matcher("a", "=", ("b",)),) == rows_of(table="windows", where=["a=b"]).where


@pytest.mark.parametrize(
    ("status", "later_ms", "state"),
    [
        pytest.param(STATUS, SILENT_MS, ("running", None), id="running"),
        pytest.param(STATUS, SILENT_MS + 1, ("failed", "lost"), id="its process is silent"),
        pytest.param(replace(STATUS, state="complete"), 10 * SILENT_MS, ("complete", None), id="complete"),
        pytest.param(
            replace(STATUS, state="failed", code="broken"), 10 * SILENT_MS, ("failed", "broken"), id="failed"
        ),
    ],
)
def test_an_export_without_its_process_is_lost(
    status: Status, later_ms: int, state: tuple[str, str | None]
) -> None:
    """A process that was killed cannot say so itself."""
    found = status.as_of(NOW_MS + later_ms)

    assert state == (found.state, found.code)


def test_instants_are_rfc_3339() -> None:
    """With milliseconds, in UTC."""
    assert ["2026-09-21T14:13:20.007Z", None] == [instant_of(NOW_MS + 7), instant_of(None)]


@given(st.lists(st.lists(st.text('a,"\n', max_size=5), min_size=1, max_size=3), max_size=8), st.data())
def test_rows_of_csv_are_counted_however_they_are_cut(rows: list[list[str]], data: st.DataObject) -> None:
    """A line ends outside of quotes alone."""
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    text = "\n".join(["names", *quoted, ""]).encode()
    count = Count("csv")
    while text:
        size = data.draw(st.integers(1, len(text)))
        count.add(text[:size])
        text = text[size:]

    assert len(rows) == count.rows


@pytest.mark.parametrize(("name", "said"), [("csv", "fine\n"), ("parquet", "format_not_installed\n")])
def test_without_pyarrow_a_format_of_columns_is_refused(name: str, said: str) -> None:
    """By name, with what brings it; text needs nothing."""
    program = f"""
import sys
sys.modules["pyarrow"] = None
from services.gateway.query.exports.formats import NotInstalled, check_installed
try:
    check_installed({name!r})
    print("fine")
except NotInstalled as problem:
    assert "tidegauge[analytics]" in problem.message
    print(problem.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert said == done.stdout
