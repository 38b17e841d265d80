"""What an analyst asks and gets."""

from dataclasses import replace

import pytest

from services.gateway.query.resources.windows.http import _pair
from services.gateway.query.resources.windows.windows import MAX_RANGE_MS, Query, WindowRow, check, merge
from shared.errors import Rejected
from shared.model.series import Series

QUERY = Query(1, "m", (("a", "b"),), 0, 60_000, (0.5,), 100)
SERIES = Series(1, "m", "gauge", "", (("a", "b"), ("c", "d")))


def row(start_ms: int, *, final: bool, series: Series = SERIES, total: float = 1.0) -> WindowRow:
    """A window of a series."""
    return WindowRow(series, start_ms, 1.0, total, 1.0, 1.0, 1.0, start_ms, (1.0,), 0, 0, start_ms, final)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"metric": ""}, "invalid_metric"),
        ({"to_ms": 0}, "invalid_range"),
        ({"to_ms": MAX_RANGE_MS + 1}, "invalid_range"),
        ({"limit": 0}, "invalid_limit"),
        ({"limit": 10_001}, "invalid_limit"),
        ({"quantiles": (1.1,)}, "invalid_quantile"),
        ({"quantiles": (float("nan"),)}, "invalid_quantile"),
        ({"quantiles": (0.5,) * 21}, "invalid_quantile"),
    ],
)
def test_a_question_beyond_a_limit_is_named(changes: dict[str, object], code: str) -> None:
    """Each limit has its code."""
    with pytest.raises(Rejected) as refusal:
        check(replace(QUERY, **changes))

    assert code == refusal.value.code


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"tenant_id": 2}, False),
        ({"metric": "n"}, False),
        ({"labels": (("c", "d"),)}, False),
        ({"labels": (("a", "b"),)}, True),
    ],
)
def test_a_series_matches_when_it_bears_all_that_is_asked(changes: dict[str, object], asked: bool) -> None:
    """Tenant and metric are equal, labels are a subset."""
    assert asked is QUERY.matches(replace(SERIES, **changes))


def test_a_closed_window_wins_over_a_live_one() -> None:
    """Of one series and window there is one row."""
    closed, live, later = row(0, final=True, total=2.0), row(0, final=False), row(10_000, final=False)

    assert ([closed, later], None) == merge([closed], [later, live], 100)


def test_rows_beyond_the_limit_are_left_out_and_said_so() -> None:
    """The first windows are kept."""
    rows = [row(start, final=True) for start in (20_000, 0, 10_000)]

    kept, last = merge(rows, [], 2)
    others, end = merge(rows, [], 2, last)

    assert [[0, 10_000], [20_000]] == [[one.start_ms for one in page] for page in (kept, others)]
    assert (10_000, None) == (last and last.start_ms, end)


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "now_ms", "first", "count"),
    [
        pytest.param(0, 60_000, 30_000, 0, 6, id="all of it"),
        pytest.param(5_000, 60_000, 30_000, 10_000, 5, id="windows that start inside"),
        pytest.param(0, 10**9, 2_000_000, 1_100_000, 103, id="only the recent past and near future"),
        pytest.param(0, 60_000, 10**9, 0, 0, id="long ago"),
    ],
)
def test_live_windows_are_looked_for_where_they_can_be(
    from_ms: int, to_ms: int, now_ms: int, first: int, count: int
) -> None:
    """Their number is bounded however long the range is."""
    starts = list(replace(QUERY, from_ms=from_ms, to_ms=to_ms).live_starts(now_ms))

    assert (count, [first][:count]) == (len(starts), starts[:1])


@pytest.mark.parametrize(
    ("other", "asked"),
    [
        pytest.param(SERIES, True, id="more labels than asked for"),
        pytest.param(replace(SERIES, labels=()), False, id="without the label"),
        pytest.param(replace(SERIES, labels=(("a", "x"),)), False, id="another value"),
        pytest.param(replace(SERIES, metric="n"), False, id="another metric"),
        pytest.param(replace(SERIES, tenant_id=2), False, id="another tenant"),
    ],
)
def test_a_query_matches_what_bears_its_labels(other: Series, asked: bool) -> None:
    """A series may bear more labels; tenant and metric are the same."""
    assert asked == QUERY.matches(other)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a=b", ("a", "b")),
        ("a=b=c", ("a", "b=c")),
        ("ключ=", ("ключ", "")),
        ('"a=b"=c', ("a=b", "c")),
        (r'"a\"b\\c"=d', ('a"b\\c', "d")),
    ],
    ids=["plain", "value with =", "UTF-8", "name with =", "escapes"],
)
def test_a_label_is_asked_for_by_any_name(text: str, pair: tuple[str, str]) -> None:
    """A name that holds `=` stands in double quotes, as PromQL writes it."""
    assert pair == _pair(text)


@pytest.mark.parametrize("text", ["", "a", "=b", '"a"', '"a=b'])
def test_what_names_no_label_is_refused(text: str) -> None:
    """A parameter without a name and a value."""
    with pytest.raises(Rejected, match="label"):
        _pair(text)
