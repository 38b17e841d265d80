"""docs/clients/answers.md names every code that the gateway refuses with."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.http.problems import PAGE, Problem

ROOT = Path(__file__).parents[3]
MAKERS = {"Problem": 1, "Rejected": 0, "Rejection": 1, "refused": 1, "Refused": 0, "SeriesLimitWarning": 0}
"""Calls that refuse, and which argument is the code."""

SHARED = (
    "shared/model/labels.py",
    "shared/model/series.py",
    "shared/model/event.py",
    "shared/model/batch_id.py",
)
"""Rules of the model that the gateway applies."""


def text_of(node: ast.AST) -> str:
    """A text, with `*` for what is put in; empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
        case _:
            return ""


def codes_in(path: Path) -> Iterator[str]:
    """The codes that a module refuses with."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    constants = {
        node.targets[0].id: text_of(node.value)
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = MAKERS.get(name)
            if place is not None and len(node.args) > place:
                code = node.args[place]
                found = constants.get(code.id, "") if isinstance(code, ast.Name) else text_of(code)
                if re.fullmatch(r"[A-Za-z_*]+", found):
                    yield found


def listed() -> set[str]:
    """The codes of the page; capitals stand for what is put in."""
    rows = [line.split("|")[1] for line in (ROOT / PAGE).read_text().splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([A-Za-z_]+)`", row)}


def stands_for(code: str, row: str) -> bool:
    """Whether a row is about a code."""
    return bool(re.fullmatch(re.sub("[A-Z]{2,}", "[A-Za-z_*]+", row), code))


def test_each_code_has_a_row() -> None:
    """Whoever is refused finds what to do: add a row to docs/clients/answers.md for what is missing here."""
    files = [*sorted((ROOT / "services/gateway").rglob("*.py")), *(ROOT / name for name in SHARED)]
    codes = {code for path in files for code in codes_in(path)}

    assert [] == sorted(code for code in codes if not any(stands_for(code, row) for row in listed()))
    assert {"rate_limited", "invalid_*", "malformed_json", "series_limit"} <= codes


@pytest.mark.parametrize("code", ["rate_limited", "invalid_ts"])
def test_a_problem_leads_to_the_page(code: str) -> None:
    """In the form of RFC 9457."""
    body = Problem(429, code, "limit: too much").document()

    assert {
        "type": f"{PAGE}#{code}", "title": "Too Many Requests", "status": 429, "detail": "limit: too much",
        "code": code, "message": "limit: too much", "field": "limit",
    } == body  # fmt: skip
    assert (ROOT / PAGE).is_file()
