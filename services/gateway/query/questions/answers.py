"""The answer of a question: figures of groups in windows, each with its samples, and whether it is complete. Pure.

Times are milliseconds UTC. In a complete window without rows, what counts is 0 and everything else null; in one that
is not complete all of it is null. Groups beyond those that are answered one by one are put together as the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.gateway.query.questions.calendar import Windows
from services.gateway.query.questions.figures import figure
from services.gateway.query.questions.figures.figure import ZERO, Figure
from services.gateway.query.questions.grouped import Group, Grouped, in_windows, without_sketches
from services.gateway.query.questions.question import Question, Refused
from shared.model.rollup import Floats, Ints, Rollups

COUNT = Figure("count")

REST = -1
"""Slot of the groups that are not answered one by one."""


@dataclass(slots=True, eq=False)
class Chosen:
    """The groups of an answer."""

    groups: list[Group]
    """In the order of the answer."""
    place: Ints
    """Of each group of the rows, its place in the answer, or `REST`."""


def one_kind(question: Question, found: Grouped) -> Group:
    """The kind and unit of all groups; raise `Refused` where there are several."""
    several = sorted({(group.kind, group.unit) for group in found.groups})
    if len(several) > 1:
        shown = ", ".join(f"kind={kind} unit={unit or '(none)'}" for kind, unit in several)
        raise Refused(
            "ambiguous_metric",
            f"metric: {question.selection.metric} comes as {shown}; say which",
            "/metric",
            {"kind": several[0][0], "unit": several[0][1]},
            status=422,
        )
    kind, unit = several[0] if several else (question.selection.kind or "", question.selection.unit or "")
    return Group(kind, unit, ())


def choose(question: Question, found: Grouped) -> Chosen:
    """Which groups are answered one by one: all, or the largest by what is asked for, over the whole range."""
    kind = one_kind(question, found).kind
    groups = found.groups or ([Group(kind, "", ())] if not question.selection.by else [])
    by_labels = sorted(range(len(groups)), key=lambda slot: groups[slot].labels)
    if len(found.groups) > 1 and (len(groups) > question.top or question.top_of):
        rank = _ranks(question, found, kind)
        by_labels.sort(key=lambda slot: -rank[slot])
    taken = by_labels[: question.top]
    place = np.full(max(len(groups), 1), REST, np.int64)
    place[taken] = np.arange(len(taken))
    return Chosen([groups[slot] for slot in taken], place)


def _ranks(question: Question, found: Grouped, kind: str) -> Floats:
    """The figure of each group over the whole range, negative infinity where it has none."""
    windows, asked = question.windows, question.top_of or COUNT
    rows = found.rollups if asked.needs_sketch else without_sketches(found.rollups)
    whole = in_windows(rows, windows.begin_ms[:1], windows.end_ms[-1:])
    seconds = np.full(len(whole), (windows.end_ms[-1] - windows.begin_ms[0]) / 1000)
    rank = np.full(len(found.groups), -np.inf)
    rank[whole.slot] = np.nan_to_num(_column(asked, whole, seconds, kind), nan=-np.inf)
    return rank


def _column(asked: Figure, rows: Rollups, seconds: Floats, kind: str) -> Floats:
    if asked.quantile is not None:
        return figure.quantile_columns(rows, [asked])[asked.name]
    return figure.values(asked, rows, seconds, kind)


@dataclass(slots=True, eq=False)
class Table:
    """Rows of the chosen groups in the windows of the answer."""

    rows: Rollups
    """Slots are places in the answer; its last place is the rest, where there is one."""
    window: Ints
    """Of each row."""
    places: int
    complete: NDArray[np.bool_]
    """Of each window."""


def tabled(found: Grouped, chosen: Chosen, windows: Windows, complete_until_ms: int) -> Table:
    """Put rows into the windows of an answer, those of the rest together."""
    rest = len(chosen.groups)
    slot = chosen.place[found.rollups.slot]
    rows = replace(found.rollups, slot=np.where(slot == REST, rest, slot))
    rows = in_windows(rows, windows.begin_ms, windows.end_ms)
    window = np.searchsorted(windows.begin_ms, rows.start_ms)
    has_rest = bool((chosen.place[: len(found.groups)] == REST).any())
    return Table(rows, window, rest + has_rest, windows.end_ms <= complete_until_ms)


def series_of(
    question: Question, table: Table, windows: Windows, kind: str, shares: Mapping[str, Table]
) -> list[dict[str, Any]]:
    """Samples, revisions, late points and figures by place: arrays with one value a window."""
    seconds = (windows.end_ms - windows.begin_ms) / 1000
    columns = _columns(question, table, seconds, kind, shares)
    samples = _spread(table, np.nan_to_num(table.rows.samples, nan=-1.0), 0.0).astype(np.int64)
    revision = _spread(table, table.rows.revision, 0.0).astype(np.int64)
    late = _spread(table, table.rows.late_count, 0.0).astype(np.int64)
    shown: list[dict[str, Any]] = [
        {
            "samples": [None if each < 0 else each for each in samples[place].tolist()],
            "revision": revision[place],
            "late": late[place],
            "values": {name: column[place] for name, column in columns.items()},
        }
        for place in range(table.places)
    ]
    if any(asked.name == "histogram" for asked in question.figures):
        _add_histograms(table, shown, len(windows))
    return shown


def _columns(
    question: Question, table: Table, seconds: Floats, kind: str, shares: Mapping[str, Table]
) -> dict[str, Floats]:
    rows, columns = table.rows, dict[str, Floats]()
    quantiles = figure.quantile_columns(rows, question.figures)
    too_few = np.nan_to_num(rows.samples, nan=np.inf) < question.min_samples
    for asked in question.figures:
        if asked.name == "histogram":
            continue
        if asked.quantile is not None:
            for name in (asked.name, f"{asked.name}_low", f"{asked.name}_high"):
                columns[name] = _spread(table, np.where(too_few, np.nan, quantiles[name]), np.nan)
        elif asked.share is not None:
            columns[asked.name] = _share(table, shares[asked.name])
        else:
            value = figure.values(asked, rows, seconds[table.window], kind)
            columns[asked.name] = _spread(table, value, np.nan)
            if asked.name in ZERO:
                columns[asked.name] = _zeroed(table, columns[asked.name])
    return columns


def _zeroed(table: Table, column: Floats) -> Floats:
    """A complete window without rows counted nothing."""
    here = _spread(table, np.ones(len(table.rows)), 0.0) > 0
    return np.where(~here & table.complete, 0.0, column)


def _share(whole: Table, part: Table) -> Floats:
    """What part of the count of each window the part's is."""
    of = _spread(whole, whole.rows.count, np.nan)
    has = _spread(part, part.rows.count, 0.0)[: whole.places]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(of > 0, has / of, np.nan)


def _spread(table: Table, column: NDArray[np.generic], nothing: float) -> Floats:
    """A column of rows as (places, windows), `nothing` where there is no row."""
    found = np.full((table.places, len(table.complete)), nothing)
    found[table.rows.slot, table.window] = column
    return found


def _add_histograms(table: Table, shown: Sequence[dict[str, Any]], windows: int) -> None:
    found = figure.histograms(table.rows)
    for series in shown:
        series["values"]["histogram"] = [None] * windows
    for slot, window, pairs in zip(table.rows.slot.tolist(), table.window.tolist(), found, strict=True):
        shown[slot]["values"]["histogram"][window] = pairs
