"""Answers of questions, against an oracle on raw points: figures, calendars, completeness, ranks and refusals."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import pytest

from services.gateway.http.problems import Problem
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.grouped import NOTHING, Part
from services.gateway.query.questions.http import answered, is_settled, refusals
from services.gateway.query.questions.ports import LivePart
from services.gateway.query.questions.question import AskBody, QuestionBody, Refused, question
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.source import BLOCKS_MS, WindowSource
from shared.errors import Rejected, Unavailable, UnknownVersion
from shared.model.series import Series
from shared.model.window import start_of
from shared.runtime import clock
from tests.support.points import Dot, PointSource, figure

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NOW_MS = 1_793_000_000_000 - 1_793_000_000_000 % DAY_MS + 10 * HOUR_MS
"""Ten in the morning of a day in October 2026."""

SERIES = [
    Series(1, "api.response_seconds", "delta", "s", (("endpoint", path), ("method", method)))
    for path in ("/a", "/b", "/c")
    for method in ("GET", "POST")
]


def dots(seed: int, from_ms: int, to_ms: int, count: int = 300) -> list[Dot]:
    """Points at random; values are dyadic, so that sums are exact."""
    random = Random(seed)
    return [
        Dot(random.choice(SERIES), random.randrange(from_ms, to_ms), random.randrange(1, 4000) / 256)
        for _ in range(count)
    ]


async def ask(source: PointSource, now_ms: int = NOW_MS, **fields: Any) -> dict[str, Any]:
    """The answer to one question."""
    body = msgspec.convert({"metric": "api.response_seconds"} | fields, QuestionBody)
    common = AskBody([])
    return await Answering(source, source).answer(question(body, common, 1, now_ms))


def plain(values: Any) -> list[Any]:
    """An array as a list, NaN as None."""
    return [None if math.isnan(value) else value for value in list(values)]


async def test_a_group_has_its_figures_in_each_window_and_the_oracle_agrees() -> None:
    """Counted exactly, quantiles within 1 %."""
    points = dots(1, NOW_MS - HOUR_MS, NOW_MS)
    names = ["count", "rate", "sum", "avg", "min", "max", "last", "p50", "p95"]

    found = await ask(
        PointSource(points, NOW_MS), by=["endpoint"], aggregates=names, resolution="5m",
        **{"from": NOW_MS - HOUR_MS, "to": NOW_MS},
    )  # fmt: skip

    assert ["/a", "/b", "/c"] == [series["labels"]["endpoint"] for series in found["series"]]
    for series in found["series"]:
        for place, (begin, end) in enumerate(zip(found["start_ms"], found["end_ms"], strict=True)):
            mine = [
                dot
                for dot in points
                if begin <= dot.ts_ms < end
                and ("endpoint", series["labels"]["endpoint"]) in dot.series.labels
            ]
            mine.sort(key=lambda dot: dot.ts_ms)
            wanted = {name: figure(name, mine, 300) for name in names}
            got = {name: plain(series["values"][name])[place] for name in names}
            assert len(mine) == series["samples"][place]
            assert got == {
                name: pytest.approx(value, rel=0.01 if name[0] == "p" else 1e-12)
                for name, value in wanted.items()
            }


async def test_a_day_that_has_25_hours_divides_its_rate_by_them() -> None:
    """And names its length."""
    begin = datetime(2026, 10, 24, tzinfo=ZoneInfo("Europe/Berlin"))
    from_ms, to_ms = (int((begin + timedelta(days=days)).timestamp() * 1000) for days in (0, 3))
    points = [Dot(SERIES[0], at_ms, 1.0) for at_ms in range(from_ms, to_ms, HOUR_MS)]

    found = await ask(
        PointSource(points, to_ms), to_ms, tz="Europe/Berlin", resolution="1d", aggregates=["count", "rate"],
        **{"from": "2026-10-24T00:00", "to": "2026-10-27T00:00"},
    )  # fmt: skip

    assert [24.0, 25.0, 24.0] == list(found["hours"])
    assert [24.0, 25.0, 24.0] == list(found["series"][0]["values"]["count"])
    assert [1 / 3600] * 3 == list(found["series"][0]["values"]["rate"])


async def test_what_counts_is_zero_in_a_complete_window_and_null_in_another() -> None:
    """Everything else is null in both."""
    source = PointSource([Dot(SERIES[0], NOW_MS - 5 * MINUTE_MS, 2.0)], NOW_MS - 2 * MINUTE_MS)

    found = await ask(
        source, aggregates=["count", "sum", "rate", "avg", "p50"], resolution="1m",
        **{"from": NOW_MS - 5 * MINUTE_MS, "to": NOW_MS},
    )  # fmt: skip

    assert [True, True, True, False, False] == found["complete"]
    values = {name: plain(column) for name, column in found["series"][0]["values"].items()}
    assert [1.0, 0.0, 0.0, None, None] == values["count"]
    assert [2.0, 0.0, 0.0, None, None] == values["sum"]
    assert [2.0, None, None, None, None] == values["avg"]
    assert [2.0, None, None, None, None] == values["p50"]


async def test_the_largest_groups_stand_alone_and_the_rest_is_counted() -> None:
    """Nothing is left out of the sum."""
    points = [
        Dot(series, NOW_MS - MINUTE_MS, 1.0) for place, series in enumerate(SERIES) for _ in range(place + 1)
    ]

    found = await ask(
        PointSource(points, NOW_MS), by=["endpoint", "method"], top={"n": 2}, resolution="1m",
        **{"from": NOW_MS - MINUTE_MS, "to": NOW_MS},
    )  # fmt: skip

    assert [6.0, 5.0] == [series["values"]["count"][0] for series in found["series"]]
    assert (4, 10.0) == (found["rest"]["series"], found["rest"]["values"]["count"][0])


async def test_a_week_before_is_compared_by_local_dates() -> None:
    """Across a change of the clock a day is compared with the day of the same name."""
    zone = ZoneInfo("Europe/Berlin")
    days = [datetime(2026, 10, day, 9, tzinfo=zone) for day in (19, 26)]
    points = [Dot(SERIES[0], int(day.timestamp() * 1000), float(day.day)) for day in days]

    found = await ask(
        PointSource(points, NOW_MS + 9 * DAY_MS), NOW_MS + 9 * DAY_MS, tz="Europe/Berlin", resolution="1d",
        aggregates=["sum"], compare="7d", **{"from": "2026-10-26T00:00", "to": "2026-10-27T00:00"},
    )  # fmt: skip

    assert [26.0] == plain(found["series"][0]["values"]["sum"])
    assert [19.0] == plain(found["compare"]["series"][0]["values"]["sum"])


@pytest.mark.parametrize("range_ms", [HOUR_MS, 6 * HOUR_MS, 3 * DAY_MS])
async def test_a_whole_range_is_one_window_of_what_its_chart_shows(range_ms: int) -> None:
    """Its ends are those of the windows of `auto`, and its figures are of all their points."""
    now_ms = NOW_MS + 12_345
    points = dots(3, now_ms - range_ms - HOUR_MS, now_ms)
    asked: dict[str, Any] = {"aggregates": ["count", "p95"], "from": now_ms - range_ms, "to": now_ms}

    chart = await ask(PointSource(points, now_ms), now_ms, **asked)
    found = await ask(PointSource(points, now_ms), now_ms, resolution="range", compare="previous", **asked)

    begin, end = chart["start_ms"][0], chart["end_ms"][-1]
    inside = [dot for dot in points if begin <= dot.ts_ms < end]
    assert ([begin], [end]) == (list(found["start_ms"]), list(found["end_ms"]))
    assert [float(len(inside))] == list(found["series"][0]["values"]["count"])
    assert figure("p95", inside, 1) == pytest.approx(found["series"][0]["values"]["p95"][0], rel=0.01)
    assert [begin] == list(found["compare"]["end_ms"])


async def test_a_share_is_a_part_of_the_count() -> None:
    """Of each group and window."""
    points = [Dot(SERIES[place], NOW_MS - MINUTE_MS, 1.0) for place in (0, 0, 0, 1)]

    found = await ask(
        PointSource(points, NOW_MS), aggregates=["share(method=GET)"], resolution="1m",
        **{"from": NOW_MS - MINUTE_MS, "to": NOW_MS},
    )  # fmt: skip

    assert [0.75] == plain(found["series"][0]["values"]["share(method=GET)"])


YEAR_MS = 399 * DAY_MS

REFUSED: dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]] = {
    "metric": (
        {"metric": "api.respons_seconds"}, "unknown_metric", "/metric", {"metric": "api.response_seconds"},
    ),
    "label": ({"by": ["endpont"]}, "unknown_label", "/by", {"by": ["endpoint"]}),
    "label of a condition": ({"where": ["status=500"]}, "unknown_label", "/where", {}),
    "zone": ({"tz": "Europe/Bern"}, "unknown_zone", "/tz", {}),
    "aggregate": ({"aggregates": ["count", "median"]}, "unknown_aggregate", "/aggregates/1", {}),
    "rank": ({"top": {"n": 1, "of": "share(a=b)"}}, "unknown_aggregate", "/top/of", {}),
    "below 10 s": ({"resolution": "5s"}, "invalid_resolution", "/resolution", {}),
    "does not divide a day": ({"resolution": "7m"}, "invalid_resolution", "/resolution", {}),
    "400 years": ({"from": "1600-01-01T00:00"}, "invalid_time", "/from", {}),
    "401 days": (
        {"from": NOW_MS - 401 * DAY_MS}, "invalid_range", "/from", {"from": NOW_MS - 400 * DAY_MS},
    ),
    "before everything that is kept": ({"from": NOW_MS - 500 * DAY_MS, "to": NOW_MS - 499 * DAY_MS}, "not_kept",
        "/resolution", {}),
    "too many windows": ({"from": NOW_MS - YEAR_MS, "resolution": "15m"}, "too_many_windows", "/resolution", {}),
    "not kept so long": ({"from": NOW_MS - DAY_MS, "resolution": "10s"}, "not_kept", "/resolution", {}),
    "no condition": ({"where": ["endpoint"]}, "invalid_where", "/where/0", {}),
    "pattern too long": ({"where": ["endpoint~x", "endpoint~" + "\u00e9" * 600]}, "invalid_where", "/where/1", {}),
    "comparison": ({"compare": "yesterday"}, "invalid_compare", "/compare", {}),
    "ends before it begins": ({"to": 1, "from": 2}, "invalid_range", "/resolution", {}),
}  # fmt: skip
"""What is asked for, and how it is refused."""


@pytest.mark.parametrize(("fields", "code", "pointer", "instead"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_says_where_and_what_to_ask_instead(
    fields: dict[str, Any], code: str, pointer: str, instead: dict[str, Any]
) -> None:
    """The place is a JSON pointer into the question."""
    source = PointSource([Dot(SERIES[0], NOW_MS - MINUTE_MS, 1.0)], NOW_MS)

    with pytest.raises(Refused) as refused:
        await ask(source, **fields)

    assert (code, pointer, instead) == (refused.value.code, refused.value.pointer, refused.value.instead)


async def test_a_metric_of_two_kinds_has_to_be_told_apart() -> None:
    """The refusal names both."""
    gauge = Series(1, "api.response_seconds", "gauge", "s", ())
    source = PointSource(
        [Dot(SERIES[0], NOW_MS - MINUTE_MS, 1.0), Dot(gauge, NOW_MS - MINUTE_MS, 1.0)], NOW_MS
    )

    with pytest.raises(Refused, match="kind=delta unit=s, kind=gauge unit=s"):
        await ask(source)

    assert [1.0] == plain((await ask(source, kind="gauge"))["series"][0]["values"]["count"])[-2:-1]


@pytest.mark.parametrize(
    ("age_ms", "complete", "settled"),
    [
        pytest.param(5 * DAY_MS, True, True, id="five days old"),
        pytest.param(5 * DAY_MS - 1, True, False, id="younger"),
        pytest.param(9 * DAY_MS, False, False, id="not complete"),
    ],
)
def test_an_answer_is_settled_when_no_point_may_come_any_more(
    age_ms: int, complete: bool, settled: bool
) -> None:
    """Caches may keep it."""
    result = {"complete": [True, complete], "end_ms": [0, NOW_MS - age_ms]}

    assert settled is is_settled([result], NOW_MS)


class NoLive:
    """Live windows that cannot be read."""

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> list[Any]:
        """Never."""
        raise Unavailable("kafka", "away")


class Whole:
    """Blocks that are read each time."""

    def __init__(self, tables: PointSource) -> None:
        self._tables = tables

    async def block(self, selection: Selection, tier_ms: int, start_ms: int, now_ms: int, seen: Any) -> Any:
        """The rows of a block."""
        return (await self._tables.load(selection, tier_ms, start_ms, start_ms + BLOCKS_MS[tier_ms])).rows


async def test_an_answer_says_that_live_windows_are_missing() -> None:
    """Of that very request: closed windows are answered all the same."""
    closed_ms = start_of(clock.now_ms(), MINUTE_MS) - MINUTE_MS
    tables = PointSource(
        [Dot(SERIES[0], closed_ms - MINUTE_MS, 1.0), Dot(SERIES[0], closed_ms, 1.0)], closed_ms
    )
    answering = Answering(WindowSource(Whole(tables), tables, NoLive()), tables)
    body = b'{"questions":[{"metric":"api.response_seconds","resolution":"1m","from":%d,"to":%d}]}' % (
        closed_ms - MINUTE_MS, closed_ms + MINUTE_MS,
    )  # fmt: skip

    shown = orjson.loads((await answered(answering, 1, body)).body)

    assert "unavailable" == shown["live"]
    assert [1.0, None] == shown["results"][0]["series"][0]["values"]["count"]


class JustCame:
    """Live windows of one series that no table has."""

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> list[LivePart]:
        """A part without rows: whose series it is counts here."""
        series = Series(tenant_id, "brand.new", "gauge", "", (("check", "4f"),))
        return [LivePart(0, Part([series], NOTHING))] if metric == series.metric else []


@pytest.mark.parametrize(
    ("metric", "where", "code"),
    [
        ("brand.new", "check=4f", ""),
        ("brand.new", "host=a", "unknown_label"),
        ("brand.old", "check=4f", "unknown_metric"),
    ],
)
async def test_what_has_just_come_may_be_asked_for(metric: str, where: str, code: str) -> None:
    """Before its first window has closed: the catalogue knows it from then on."""
    closed_ms = start_of(clock.now_ms(), MINUTE_MS) - MINUTE_MS
    tables = PointSource([Dot(SERIES[0], closed_ms, 1.0)], closed_ms)
    answering = Answering(WindowSource(Whole(tables), tables, NoLive()), tables, JustCame())
    asked = {"questions": [{"metric": metric, "where": [where]}, {"metric": SERIES[0].metric}]}

    shown = orjson.loads((await answered(answering, 1, orjson.dumps(asked))).body)

    assert code == shown["results"][0].get("error", {}).get("code", "")


class CountedLabels(PointSource):
    """It counts how often it is asked for labels."""

    asked = 0

    async def labels(self, tenant_id: int, metric: str) -> Mapping[str, int]:
        """The labels of a metric."""
        self.asked += 1
        return await super().labels(tenant_id, metric)


async def test_labels_that_a_metric_is_known_to_have_are_not_asked_for_again() -> None:
    """Looking through 100,000 series takes a second; a label that is not known is looked for each time."""
    source = CountedLabels(dots(1, NOW_MS - HOUR_MS, NOW_MS), NOW_MS)
    answering, found = Answering(source, source), []
    for fields in (
        {},
        {"by": ["endpoint"]},
        {"by": ["endpoint"]},
        {"where": ["method=GET"]},
        {"by": ["method"]},
    ):
        body = msgspec.convert({"metric": "api.response_seconds"} | fields, QuestionBody)
        await answering.answer(question(body, AskBody([]), 1, NOW_MS))
        found.append(source.asked)
    for _ in range(2):
        with pytest.raises(Refused):
            await answering.answer(question(msgspec.structs.replace(body, by=["x"]), AskBody([]), 1, NOW_MS))

    assert ([0, 1, 1, 2, 2], 4) == (found, source.asked)


@pytest.mark.parametrize(
    ("error", "status", "pointer"),
    [
        pytest.param(Refused("a", "by: b", "/by", status=422), 422, "/questions/0/by", id="at its place"),
        pytest.param(Rejected("a", "b"), 400, "/questions/0", id="somewhere in it"),
        pytest.param(Unavailable("postgres", "away"), 503, "", id="not now"),
        pytest.param(UnknownVersion("prepared groups", 9, [4, 5]), 503, "", id="rows of another build"),
    ],
)
def test_what_the_inside_refuses_is_a_problem(error: Exception, status: int, pointer: str) -> None:
    """None of it ends a request without an answer."""
    with pytest.raises(Problem) as refused, refusals("/questions/0"):
        raise error

    assert (status, pointer) == (refused.value.status, refused.value.pointer)
