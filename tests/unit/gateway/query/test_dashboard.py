"""The dashboard of all metrics: a line for each metric, kind and unit, the answer of a question."""

import math

import pytest

from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.grouped import Grouped
from services.gateway.query.questions.question import Refused
from services.gateway.query.questions.selection import Selection
from services.gateway.query.resources.dashboard import dashboard
from services.gateway.query.resources.dashboard.dashboard import RANGE_MS, Dashboard, range_of
from services.gateway.query.resources.summaries.headline import Range
from shared.model.series import Series
from tests.support.points import Dot, PointSource

MOST = 4
"""Metrics of these dashboards."""

NOW_MS = 1_793_000_000_000 + 12_345


def series(metric: str, kind: str = "gauge", unit: str = "") -> Series:
    """A series without labels."""
    return Series(1, metric, kind, unit, ())


async def shown(dots: list[Dot]) -> dashboard.Summary:
    """The dashboard of some points, closed up to now."""
    source = PointSource(dots, NOW_MS)
    return await Dashboard(Answering(source, source), source, MOST).summary(1, range_of(NOW_MS), NOW_MS)


def test_a_dashboard_is_made_of_whole_windows_that_have_ended() -> None:
    """A quarter of an hour; the window under way is not among them."""
    assert Range(9 * RANGE_MS + 10_000, 10 * RANGE_MS + 10_000) == range_of(10 * RANGE_MS + 12_345)


async def test_each_kind_and_unit_of_a_metric_has_a_line_of_its_own() -> None:
    """In the order of names; what has no point in the range has none, nor has another tenant's."""
    at_ms = NOW_MS - 60_000
    dots = [
        Dot(series("b"), at_ms, 1.0),
        Dot(series("a", "delta", "s"), at_ms, 3.0),
        Dot(series("a", "delta", "s"), at_ms + 20_000, 1.0),
        Dot(series("a"), at_ms, 7.0),
        Dot(series("old"), at_ms - 2 * RANGE_MS, 1.0),
        Dot(Series(2, "foreign", "gauge", "", ()), at_ms, 1.0),
    ]

    found = await shown(dots)

    names = ("metric", "unit", "kind", "samples", "count", "average", "min", "max")
    assert [
        ("a", "", "gauge", 1, 1.0, 7.0, 7.0, 7.0),
        ("a", "s", "delta", 2, 2.0, 2.0, 1.0, 3.0),
        ("b", "", "gauge", 1, 1.0, 1.0, 1.0, 1.0),
    ] == [tuple(line[name] for name in names) for line in found.lines]
    assert (False, range_of(NOW_MS).to_ms) == (found.truncated, found.complete_to_ms)
    assert all(math.isclose(line["p50"], line["average"], rel_tol=0.6) for line in found.lines)


class Costly(PointSource):
    """Points of which one metric has too many series to be read."""

    async def rows(self, selection: Selection, *span: int, live: bool) -> Grouped:
        """Refused for that metric."""
        if selection.metric == "costly":
            raise Refused("too_expensive", "by: too many series", "/by", status=422)
        return await super().rows(selection, *span, live=live)


async def test_a_metric_that_costs_too_much_says_so_and_hides_no_other() -> None:
    """Its figures are null, and so they look like none, not like 0."""
    source = Costly([Dot(series(name), NOW_MS - 60_000, 1.0) for name in ("cheap", "costly")], NOW_MS)

    found = await Dashboard(Answering(source, source), source).summary(1, range_of(NOW_MS), NOW_MS)

    assert [("cheap", 1.0, None), ("costly", None, "too_expensive")] == [
        (line["metric"], line["count"], line["error"]) for line in found.lines
    ]


@pytest.mark.parametrize(("metrics", "truncated"), [(0, False), (MOST, False), (MOST + 1, True)])
async def test_more_metrics_than_a_dashboard_holds_are_said_to_be_left_out(
    metrics: int, truncated: bool
) -> None:
    """The first by name are there; without any it is complete to nowhere."""
    found = await shown([Dot(series(f"m{number:03}"), NOW_MS - 60_000, 1.0) for number in range(metrics)])

    assert (min(metrics, MOST), truncated) == (len(found.lines), found.truncated)
    assert (found.complete_to_ms is None) is (not metrics)
