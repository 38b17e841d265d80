"""Grouped rows: which series are put together, and in which windows."""

import numpy as np
import pytest

from services.gateway.query.questions.grouped import NOTHING, Grouped, Part, empty, grouped, in_windows
from services.gateway.query.questions.selection import Matcher, Selection, is_answered_by
from shared.errors import Rejected
from shared.model.rollup import Rollups
from shared.model.series import Series
from tests.support.rows import rows_of

SERIES = [
    Series(1, "api.response_seconds", "delta", "s", (("endpoint", "/a"), ("method", "GET"))),
    Series(1, "api.response_seconds", "delta", "s", (("endpoint", "/a"), ("method", "POST"))),
    Series(1, "api.response_seconds", "delta", "s", (("endpoint", "/b"),)),
    Series(1, "api.response_seconds", "gauge", "s", (("endpoint", "/a"),)),
    Series(2, "api.response_seconds", "delta", "s", (("endpoint", "/a"),)),
    Series(1, "other", "delta", "s", (("endpoint", "/a"),)),
]


def shown(found: Grouped) -> list[tuple[object, ...]]:
    """Kind, labels, start and count of each row."""
    rows = found.rollups
    return [
        (found.groups[slot].kind, dict(found.groups[slot].labels), start, count)
        for slot, start, count in zip(
            rows.slot.tolist(), rows.start_ms.tolist(), rows.count.tolist(), strict=True
        )
    ]


def all_rows() -> Rollups:
    """A row of each series at 0, with as many points as its place says, and one more of the first at 10 s."""
    return rows_of([(slot, 0, [1.0] * (slot + 1)) for slot in range(len(SERIES))] + [(0, 10_000, [2.0])])


def test_series_are_put_together_by_the_labels_asked_for_and_others_are_left_out() -> None:
    """Neither another tenant's nor another metric's nor another kind's rows are in."""
    selection = Selection(1, "api.response_seconds", kind="delta", by=("endpoint",))

    found = grouped(selection, [Part(SERIES, all_rows())], 10_000)

    assert [
        ("delta", {"endpoint": "/a"}, 0, 3.0),
        ("delta", {"endpoint": "/b"}, 0, 3.0),
        ("delta", {"endpoint": "/a"}, 10_000, 1.0),
    ] == shown(found)


def test_kinds_stay_apart_where_none_is_asked_for() -> None:
    """A level and an increment are never added up."""
    found = grouped(Selection(1, "api.response_seconds"), [Part(SERIES, all_rows())], 60_000)

    assert [("delta", {}, 0, 7.0), ("gauge", {}, 0, 4.0)] == shown(found)


def test_without_labels_to_group_by_each_series_stands_alone() -> None:
    """That is how series are listed."""
    selection = Selection(1, "api.response_seconds", kind="delta", by=None)

    found = grouped(selection, [Part(SERIES, all_rows())], 60_000)

    assert [2.0, 2.0, 3.0] == [row[3] for row in shown(found)]


def test_a_selection_of_nothing_has_no_rows() -> None:
    """No group, no row."""
    assert empty(10_000).groups == grouped(Selection(1, "absent"), [Part(SERIES, all_rows())], 10_000).groups


@pytest.mark.parametrize(
    ("matcher", "wanted"),
    [
        pytest.param(Matcher("endpoint", "=", ("/a",)), ["/a"], id="equal"),
        pytest.param(Matcher("endpoint", "=", ("/a",), negated=True), ["/a/b", ""], id="unequal"),
        pytest.param(
            Matcher("endpoint", "in", ("/a", "")), ["/a", ""], id="one of several, the absent one too"
        ),
        pytest.param(Matcher("endpoint", "~", ("/a*",)), ["/a", "/a/b"], id="glob"),
        pytest.param(Matcher("endpoint", "~", ("/.",)), [], id="a glob knows no dot"),
        pytest.param(Matcher("endpoint", "=~", ("/a(/.)?|",)), ["/a", "/a/b", ""], id="regular expression"),
        pytest.param(Matcher("endpoint", "=~", ("/a",), negated=True), ["/a/b", ""], id="no match"),
    ],
)
def test_a_condition_is_one_on_the_whole_value(matcher: Matcher, wanted: list[str]) -> None:
    """An absent label counts as empty."""
    assert wanted == [
        value for value in ("/a", "/a/b", "") if matcher.matches({"endpoint": value} if value else {})
    ]


def test_a_pattern_that_is_none_is_refused_by_name() -> None:
    """The parameter stands first."""
    with pytest.raises(Rejected, match="where: not a regular expression"):
        Matcher("a", "=~", ("(",)).matches({})


def test_prepared_groups_answer_what_needs_no_other_label() -> None:
    """Conditions need their labels as well."""
    selection = Selection(1, "m", by=("endpoint",), where=(Matcher("method", "=", ("GET",)),))

    assert [True, False, False] == [
        is_answered_by(selection, ("endpoint", "method", "status")),
        is_answered_by(selection, ("endpoint",)),
        is_answered_by(Selection(1, "m", by=None), ("endpoint", "method")),
    ]


def test_rows_go_into_each_window_that_holds_their_start() -> None:
    """Windows may overlap, as those of a moving range do."""
    rows = rows_of([(0, start, [1.0]) for start in (0, 10_000, 20_000, 30_000)] + [(1, 20_000, [5.0])])
    begin_ms, end_ms = np.array([0, 10_000, 20_000]), np.array([20_000, 30_000, 30_000])

    found = in_windows(rows, begin_ms, end_ms)

    wanted = [(0, 0, 2.0), (0, 10_000, 2.0), (1, 10_000, 1.0), (0, 20_000, 1.0), (1, 20_000, 1.0)]
    assert wanted == list(
        zip(found.slot.tolist(), found.start_ms.tolist(), found.count.tolist(), strict=True)
    )


def test_windows_without_rows_give_none() -> None:
    """An empty range is no error."""
    none = np.zeros(0, np.int64)

    assert 0 == len(in_windows(NOTHING, none, none))
