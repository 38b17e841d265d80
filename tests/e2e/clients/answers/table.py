"""The tables of docs/clients/statuses.md: a row for each answer, a column for each client; read, compared and written.

A cell in parentheses is of an answer that the client's door never gives.
"""

import re
from collections.abc import Mapping

from deploy.local.folder import ROOT
from tests.e2e.clients.answers.pages import PAGES
from tests.e2e.clients.answers.replies import REPLIES, given
from tests.e2e.clients.reporting.programs import JAVASCRIPT, PROGRAMS, PYTHON

PAGE = ROOT / "docs/clients/statuses.md"

FAMILIES = {
    "OpenTelemetry": [name for name in PROGRAMS if name.startswith((PYTHON, JAVASCRIPT))],
    "Programs": [name for name in PROGRAMS if not name.startswith((PYTHON, JAVASCRIPT))],
    "Pages": list(PAGES),
}
"""Heading -> the clients of its table."""

Cells = dict[str, dict[str, str]]
"""Client -> row -> cell, without parentheses."""


def read() -> Cells:
    """What the page says; empty where it has no such table."""
    found: Cells = {}
    for lines in re.findall(r"^\| Answer .*\n(?:\|.*\n)*", PAGE.read_text(), re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()
        ]
        for row, *cells in rows:
            for client, cell in zip(head[1:], cells, strict=True):
                found.setdefault(client, {})[row] = cell.strip("()")
    return found


def write(cells: Cells) -> None:
    """Put these into the page, in the place of its tables."""
    text = PAGE.read_text()
    for heading, clients in FAMILIES.items():
        table = _table({client: cells.get(client, {}) for client in clients}, {c: given(c) for c in clients})
        text = re.sub(rf"(?<=\n## {heading}\n\n)(\|.*\n)*", lambda _: table, text)  # noqa: B023 # called at once
    PAGE.write_text(text)


def _table(cells: Cells, given_rows: Mapping[str, set[str]]) -> str:
    lines = [["Answer", *cells], ["---"] * (len(cells) + 1)]
    for row in REPLIES:
        said = [_marked(cells[client].get(row, ""), row in given_rows[client]) for client in cells]
        lines.append([row, *said])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _marked(cell: str, is_given: bool) -> str:
    return cell if is_given or not cell else f"({cell})"
