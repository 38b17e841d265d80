"""Reports of the source documents, made of questions, over points in memory."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.gateway.query.questions.answering import Answering
from services.gateway.query.resources.funnels.funnel import Reach
from services.gateway.query.resources.summaries.headline import rate
from services.gateway.query.resources.summaries.reports import Reports
from shared.model.funnel import Funnel
from shared.model.series import Series
from tests.support.points import Dot, PointSource

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_793_000_000_000 - 1_793_000_000_000 % DAY_MS + 10 * HOUR_MS
DAY = date(2026, 10, 26)


class Tables:
    """A funnel of which six of ten sessions took the second step, and no alerts."""

    async def reach(self, tenant_id: int, funnel: Funnel, from_ms: int, to_ms: int) -> Reach:
        """How far the sessions came."""
        steps = len(funnel.steps)
        return Reach((10, 6, *([0] * (steps - 2))), (None,) * steps, 0)

    async def alerts(self, tenant_id: int, states: Any, resolved_since_ms: int, limit: int) -> list[Any]:
        """None fires."""
        return []


def api(endpoint: str, status: str) -> Series:
    """A series of response times."""
    return Series(1, "api.response_seconds", "delta", "s", (("endpoint", endpoint), ("status", status)))


def answers(endpoint: str, from_ms: int, seconds: float, count: int, status: str = "200") -> list[Dot]:
    """So many answers, a minute apart."""
    return [Dot(api(endpoint, status), from_ms + place * 60_000, seconds) for place in range(count)]


def reports(*dots: Dot, until_ms: int = NOW_MS) -> Reports:
    """Reports over these points, complete up to then."""
    source = PointSource(dots, until_ms)
    tables = Tables()
    return Reports(Answering(source, source), tables, tables)


async def test_quick_stats_are_those_of_the_last_hour() -> None:
    """With the share of errors, and None for what was never sent."""
    made = reports(
        *answers("/a", NOW_MS - 50 * 60_000, 0.5, 30), *answers("/a", NOW_MS - 50 * 60_000, 2.0, 10, "503"),
        *answers("/a", NOW_MS - 5 * HOUR_MS, 9.0, 10),
    )  # fmt: skip

    found = await made.quick_stats(1, NOW_MS)

    requests = found["requests"]
    assert (40.0, 40, 10.0, 0.25) == tuple(
        requests[name] for name in ("count", "samples", "errors", "error_rate")
    )
    assert 0.5 == pytest.approx(requests["p50"], rel=0.01)
    assert (None, {}) == (found["errors"], found["vitals"])


async def test_a_day_is_that_of_the_zone_and_knows_the_day_before() -> None:
    """Its hours add up to it."""
    zone = ZoneInfo("Asia/Kathmandu")
    begin = 1_792_952_100_000  # 2026-10-26T00:00 in Kathmandu
    made = reports(*answers("/a", begin, 1.0, 90), *answers("/a", begin - 60_000, 1.0, 1))

    found = await made.day(1, DAY, zone, begin + 2 * DAY_MS)

    assert (begin, begin + DAY_MS) == (found["from_ms"], found["to_ms"])
    assert (90.0, 1.0) == (found["requests"]["count"], found["before"]["requests"]["count"])
    assert [60.0, 30.0, 0.0] == list(found["hours"]["values"]["count"])[:3]
    assert ["/a"] == [route["endpoint"] for route in found["routes"]]


async def test_a_week_begins_on_monday_and_has_its_days() -> None:
    """Each with its own figures."""
    monday = 1_792_972_800_000  # 2026-10-26T00:00 UTC
    made = reports(
        *answers("/a", monday + DAY_MS, 1.0, 5),
        *answers("/a", monday - DAY_MS, 1.0, 2),
        until_ms=monday + 7 * DAY_MS,
    )

    found = await made.week(1, date(2026, 10, 28), ZoneInfo("UTC"), monday + 7 * DAY_MS)

    assert ("2026-10-26", 5.0, 2.0) == (
        found["week"], found["requests"]["count"], found["before"]["requests"]["count"],
    )  # fmt: skip
    counts = [day["requests"]["count"] for day in found["days"]]
    assert [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0] == counts


async def test_insights_bear_the_numbers_they_come_from() -> None:
    """A route that became slower is told, one that is as slow as before is not."""
    week_ms = 7 * DAY_MS
    made = reports(
        *answers("/slower", NOW_MS - 5 * HOUR_MS, 3.0, 100),
        *answers("/slower", NOW_MS - 5 * HOUR_MS - week_ms, 1.0, 100),
        *answers("/same", NOW_MS - 5 * HOUR_MS, 1.0, 100),
        *answers("/same", NOW_MS - 5 * HOUR_MS - week_ms, 1.0, 100),
        *answers("/rare", NOW_MS - 5 * HOUR_MS, 30.0, 3),
    )

    found = (await made.insights(1, NOW_MS))["insights"]

    told = [(one["kind"], one.get("endpoint") or one.get("step")) for one in found]
    assert [
        ("largest_drop", "effect_start"), ("slowest_route", "/slower"), ("regression", "/slower"),
    ] == told  # fmt: skip
    assert 3.0 == pytest.approx(found[2]["ratio"], rel=0.03)
    assert (6, 100, 100) == (found[0]["drop_off"], found[2]["now"]["samples"], found[2]["before"]["samples"])


async def test_a_dashboard_has_its_day_in_quarters() -> None:
    """Routes by how often they were asked."""
    made = reports(*answers("/a", NOW_MS - HOUR_MS, 1.0, 3), *answers("/b", NOW_MS - HOUR_MS, 1.0, 9))

    found = await made.dashboard(1, NOW_MS)

    assert ["/b", "/a"] == [route["endpoint"] for route in found["routes"]]
    assert 12.0 == sum(found["over_time"]["values"]["count"][:-1])
    assert 96 == len(found["over_time"]["start_ms"])
    assert {"entries": 10, "completed": 0, "largest_drop": "effect_start"} == found["funnels"][
        "effect_creation"
    ]


@pytest.mark.parametrize(
    ("value", "samples", "rating"),
    [(2_500.0, 13, "good"), (2_501.0, 13, "needs_improvement"), (4_001.0, 99, "poor"), (9.0, 12, "unrated")],
)
def test_a_vital_is_rated_by_the_official_limits_where_samples_suffice(
    value: float, samples: int, rating: str
) -> None:
    """A limit itself belongs to the better side."""
    assert rating == rate("lcp", {"p75": value, "samples": samples})["rating"]
