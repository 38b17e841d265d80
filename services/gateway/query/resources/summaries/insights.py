"""What stands out, found by comparing figures: no text is made up, and each insight bears the numbers it comes from.

Seconds and milliseconds as the names say. A regression is told only where the intervals of both ranges do not touch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.gateway.query.resources.funnels.funnel import Report
from services.gateway.query.resources.summaries.headline import ENOUGH, of_window

SLOWER = 1.1
"""From which ratio on a route counts as slower."""

MOST = 5
"""Insights of a kind."""


def largest_drop(funnel: str, report: Report) -> list[dict[str, Any]]:
    """The step of a funnel at which most sessions left."""
    worst = max(report.steps, key=lambda step: step.drop_off)
    if not worst.drop_off:
        return []
    return [
        {
            "kind": "largest_drop",
            "funnel": funnel,
            "step": worst.name,
            "drop_off": worst.drop_off,
            "drop_off_rate": worst.drop_off_rate,
            "entries": report.entries,
        }
    ]


def slowest_routes(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The routes with the highest p95, of those that were asked often enough."""
    found = [
        {"kind": "slowest_route", **series["labels"], **of_window(series)}
        for series in (answer or {"series": []})["series"]
        if (series["samples"][0] or 0) >= ENOUGH["p95"]
    ]
    return sorted(found, key=lambda one: -(one["p95"] or 0))[:1]


def regressions(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Routes whose p95 lies above that of the range before, their intervals apart; the largest ratio first."""
    found = []
    for series, before in _pairs(answer):
        now, then = of_window(series), of_window(before)
        if None in {now["p95_low"], then["p95_high"], now["p95"], then["p95"]} or not then["p95"]:
            continue
        ratio = now["p95"] / then["p95"]
        if now["p95_low"] > then["p95_high"] and ratio >= SLOWER:
            found.append(
                {"kind": "regression", **series["labels"], "ratio": ratio, "now": now, "before": then}
            )
    return sorted(found, key=lambda one: -float(one["ratio"]))[:MOST]


def poor_pages(vital: str, answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The pages with the most loads that were not good, by a web vital."""
    found = []
    for series in (answer or {"series": []})["series"]:
        now = of_window(series)
        not_good = round((1 - (now["share(rating=good)"] or 0)) * (now["count"] or 0))
        if not_good > 0:
            found.append(
                {"kind": "poor_page", "vital": vital, **series["labels"], "not_good": not_good, **now}
            )
    return sorted(found, key=lambda one: -int(one["not_good"]))[:1]


def _pairs(answer: Mapping[str, Any] | None) -> Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each group with itself in the range before."""
    if answer is None:
        return []
    return list(zip(answer["series"], answer["compare"]["series"], strict=False))
