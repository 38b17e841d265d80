"""What has changed between two answers: windows put into the first one make the second."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.query.page.live.changes import OF_SERIES, OF_WINDOWS, cut, is_empty

VALUES = st.sampled_from([np.nan, 0.0, 1.5])
COUNTS = st.sampled_from([None, 0, 3])
ROWS = st.tuples(VALUES, COUNTS, st.integers(0, 1), st.lists(st.integers(0, 2), min_size=2, max_size=2))


def answer(first: int, rows: Sequence[Any], compared: Sequence[Any] | None = None) -> dict[str, Any]:
    """An answer of one series over windows of 10 s from the first one on."""
    start_ms = (first + np.arange(len(rows))) * 10_000
    made = {
        "id": "a", "metric": "m", "start_ms": start_ms, "end_ms": start_ms + 10_000, "hours": np.ones(len(rows)),
        "complete": [row[2] == 0 for row in rows], "complete_until_ms": 7, "warnings": [], "series": [series(rows)],
    }  # fmt: skip
    if compared is not None:
        made["compare"] = {"shift": "1h", "start_ms": start_ms - 9, "series": [series(compared)]}
    return made


def series(rows: Sequence[Any]) -> dict[str, Any]:
    """A series with a figure and a histogram."""
    return {
        "labels": {"x": "y"}, "samples": [row[1] for row in rows], "revision": np.array([row[2] for row in rows]),
        "late": np.array([row[2] for row in rows]),
        "values": {"p95": np.array([row[0] for row in rows], float), "histogram": [row[3] for row in rows]},
    }  # fmt: skip


def windows(one: Mapping[str, Any]) -> dict[int, list[Any]]:
    """All that an answer says, by the start of its window."""
    columns = [one[name] for name in OF_WINDOWS]
    for each in [*one["series"], *one.get("compare", {"series": []})["series"]]:
        columns += [each[name] for name in OF_SERIES] + list(each["values"].values())
    return {int(start): [repr(column[i]) for column in columns] for i, start in enumerate(one["start_ms"])}


@given(
    st.lists(st.tuples(ROWS, ROWS), min_size=1, max_size=6),
    st.lists(st.tuples(ROWS, ROWS), min_size=1, max_size=6),
    st.integers(0, 8),
)
def test_changes_put_into_the_first_answer_make_the_second(
    old: list[tuple[Any, Any]], new: list[tuple[Any, Any]], moved: int
) -> None:
    """Whatever changed, and however far the range has moved."""
    both = [
        answer(first, [row for row, _ in rows], [row for _, row in rows])
        for first, rows in ((10, old), (10 + moved, new))
    ]
    found = cut(both[:1], both[1:])

    assert found is not None
    before, after = windows(both[0]), windows(both[1])
    assert after == {start: row for start, row in (before | windows(found[0])).items() if start in after}
    assert all(before.get(start) != row for start, row in windows(found[0]).items())
    assert is_empty(found) is not bool(windows(found[0]))


def test_what_has_not_changed_is_not_told() -> None:
    """An equal answer leaves nothing; a changed window is told alone."""
    rows = [(np.nan, None, 0, [1, 2]), (1.5, 3, 1, [1, 2])]
    same, other = answer(1, rows), answer(1, [rows[0], (0.0, 3, 1, [1, 2])])

    assert is_empty(cut([same], [answer(1, rows)]) or [])
    assert [20_000] == list(windows((cut([same], [other]) or [{}])[0]))


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "other"}, {"series": []}, {"rest": series([(0.0, 0, 0, [1])]) | {"series": 4}},
        {"error": {"code": "unavailable"}},
    ],
    ids=str,
)  # fmt: skip
def test_another_shape_is_told_as_a_whole(change: dict[str, Any]) -> None:
    """Other series, more of the rest, or a refusal."""
    one = answer(1, [(0.0, 0, 0, [1])])

    assert None is cut([one], [one | change])
    assert None is cut([one], [one, one])
