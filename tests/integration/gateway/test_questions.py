"""`POST /v1/query` over real tables and a real cache: closed, revised and live windows together, against raw points."""

import os
from bisect import bisect_left
from math import isclose
from random import Random
from typing import Any

import httpx2
import pytest

from shared.model.series import Series
from shared.model.window import start_of
from shared.postgres import connections
from shared.prepared import merged
from shared.prepared.label_sets import NO_SETS, LabelSets
from shared.runtime.clock import now_ms
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot, figure
from tests.support.wait import until

pytestmark = pytest.mark.servers

QUESTIONS = int(os.environ.get("TIDEGAUGE_QUESTIONS", "150"))
"""Generated questions."""

NAMES = ("count", "rate", "sum", "avg", "min", "max", "last", "p50", "p75", "p95")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def owners(tenant_id: int) -> list[Series]:
    """Series of three routes, two methods and two regions."""
    return [
        Series(tenant_id, "api.response_seconds", "delta", "s", labels)
        for path in ("/a", "/b", "/c")
        for method in ("GET", "POST")
        for labels in [(("endpoint", path), ("method", method)), (("endpoint", path), ("region", "eu-1"))]
    ]


def _by_time(dot: Dot) -> tuple[int, float]:
    return dot.ts_ms, dot.value


class Asked:
    """Points of a tenant in the tables, and what it asks."""

    def __init__(self, mine: Reader, dots: list[Dot], complete_until_ms: int) -> None:
        self.mine = mine
        self.dots = sorted(dots, key=_by_time)
        self.of_series: dict[Series, list[Dot]] = {}
        for dot in self.dots:
            self.of_series.setdefault(dot.series, []).append(dot)
        self.complete_until_ms = complete_until_ms

    async def is_whole(self) -> bool:
        """Whether an answer holds all points."""
        question = {"metric": "api.response_seconds", "resolution": "1h", "from": "now-7h", "to": "now"}
        found = (await self.post(question)).json()["results"][0]
        return len(self.dots) == sum(found["series"][0]["samples"])

    async def post(self, *questions: dict[str, Any], **common: Any) -> httpx2.Response:
        """Ask."""
        async with httpx2.AsyncClient(base_url=self.mine.url, timeout=20) as client:
            body = {"questions": list(questions)} | common
            return await client.post("/v1/query", json=body, headers={"x-api-key": self.mine.key})


SETS = LabelSets({"*": ((),), "api.*": (("endpoint", "method"),)})
"""Groups that answer some questions; others need the rows of series."""


BOTH = pytest.mark.parametrize(
    "asked",
    [(NO_SETS, 3_000, False), (SETS, 3_000, False), (SETS, 3_000, True)],
    ids=["series", "prepared groups", "merged groups"],
    indirect=True,
)
"""What must not depend on where an answer comes from."""


@pytest.fixture
async def asked(
    request: pytest.FixtureRequest, mine: Reader, gateway: Gateway, pool: connections.Pool
) -> Asked:
    """Points of five hours in two partitions: most in time, some late, and the last ones in windows that are open."""
    random, now = Random(7), now_ms()
    sets, points, is_merged = getattr(request, "param", (SETS, 300, False))
    series = owners(mine.tenant_id)
    in_time = [
        Dot(
            random.choice(series),
            random.randrange(now - 5 * HOUR_MS, now - 2_000),
            random.randrange(1, 4000) / 256,
        )
        for _ in range(points)
    ]
    late = [
        Dot(
            random.choice(series),
            random.randrange(now - 5 * HOUR_MS, now - HOUR_MS),
            random.randrange(1, 4000) / 256,
        )
        for _ in range(200)
    ]
    marks = []
    for place in (0, 1):
        partition = FoldedPartition(pool, gateway.topic, place, sets)
        mine_in = [[dot for dot in dots if series.index(dot.series) % 2 == place] for dots in (in_time, late)]
        # The second partition is half a minute behind the first.
        until_ms = now - 30_000 * place
        await partition.fold_in_time([dot for dot in mine_in[0] if dot.ts_ms < until_ms], until_ms)
        await partition.fold_late(mine_in[1], until_ms)
        await partition.show(gateway.kafka, gateway.prefix)
        marks.append(partition.fold.watermark_ms or 0)
        in_time = [dot for dot in in_time if series.index(dot.series) % 2 != place or dot.ts_ms < until_ms]
    if is_merged:
        closed_ms = start_of(min(marks), merged.TIER_MS)
        assert await merged.catch_up(pool, gateway.topic, closed_ms) >= 2 * 5 * 3
    asked = Asked(mine, in_time + late, min(marks))
    await until(asked.is_whole, "the gateway has read the open windows")
    return asked


def wanted(
    asked: Asked, question: dict[str, Any], labels: dict[str, str], span: tuple[int, int]
) -> list[Dot]:
    """The points of a group in a window."""
    conditions = [condition.split("=") for condition in question["where"]]
    found: list[Dot] = []
    for series, dots in asked.of_series.items():
        has = dict(series.labels)
        if all(has.get(name, "") == value for name, value in conditions) and all(
            has.get(name) == labels.get(name) for name in question["by"]
        ):
            first, last = (bisect_left(dots, at_ms, key=lambda dot: dot.ts_ms) for at_ms in span)
            found += dots[first:last]
    return sorted(found, key=_by_time)


def drawn(random: Random) -> dict[str, Any]:
    """A question at random."""
    now = now_ms()
    length = random.choice([2, 10, 45, 120, 280]) * MINUTE_MS
    begin = now - random.choice([length, min(5 * HOUR_MS, 2 * length)])
    return {
        "metric": "api.response_seconds",
        "aggregates": random.sample(NAMES, 4),
        "by": random.choice([[], ["endpoint"], ["endpoint", "method"], ["region"]]),
        "where": random.choice([[], ["method=GET"], ["endpoint=/a"], ["region="]]),
        "resolution": random.choice(["10s", "1m", "5m", "15m", "1h"]),
        "from": begin,
        "to": begin + length,
    }


def check(asked: Asked, question: dict[str, Any], found: dict[str, Any]) -> None:
    """Every figure of an answer is the oracle's."""
    for series in found["series"]:
        for place, span in enumerate(zip(found["start_ms"], found["end_ms"], strict=True)):
            dots = wanted(asked, question, series["labels"], span)
            complete = span[1] <= asked.complete_until_ms
            assert (complete, len(dots)) == (found["complete"][place], series["samples"][place]), (
                question,
                span,
            )
            for name in question["aggregates"]:
                true = figure(name, dots, (span[1] - span[0]) / 1000) if dots or complete else None
                near, got = 0.0101 if name[0] == "p" else 1e-9, series["values"][name][place]
                # `pytest.approx` would take most of the test: there are some hundred thousand figures.
                same = got is true or (
                    None not in (got, true) and isclose(got, true, rel_tol=near, abs_tol=1e-12)
                )
                assert same, (name, true, got, question, span)


@BOTH
async def test_generated_questions_have_the_answers_of_the_oracle(asked: Asked) -> None:
    """Whatever the groups, the conditions, the windows; a group that the oracle has is never missing."""
    random = Random(11)
    for _ in range(QUESTIONS // 10):
        questions = [drawn(random) for _ in range(10)]

        results = (await asked.post(*questions)).json()["results"]

        for question, found in zip(questions, results, strict=True):
            assert "error" not in found, found
            check(asked, question, found)
            span = found["start_ms"][0], found["end_ms"][-1]
            groups = {
                tuple(sorted((name, value) for name, value in dot.series.labels if name in question["by"]))
                for dot in wanted(asked, question | {"by": []}, {}, span)
            }
            assert groups <= {tuple(sorted(series["labels"].items())) for series in found["series"]}


@BOTH
async def test_revisions_and_late_points_are_told(asked: Asked) -> None:
    """All late points, each once."""
    question = {"metric": "api.response_seconds", "resolution": "15m", "from": "now-5h", "to": "now"}

    found = (await asked.post(question)).json()["results"][0]

    assert 200 == sum(found["series"][0]["late"])


@pytest.mark.usefixtures("asked")
async def test_a_tenant_learns_nothing_of_another(foreign: Reader) -> None:
    """Not even that a metric, a label or a value exists."""
    other = Asked(foreign, [], 0)
    question = {"metric": "api.response_seconds", "by": ["endpoint"]}

    refused = await other.post(question)

    assert (404, "unknown_metric") == (refused.status_code, refused.json()["code"])
    assert "try" not in refused.json()
    assert 0 == (await foreign.ask("/v1/metrics")).json()["total"]
    assert [] == (await foreign.ask("/v1/labels/endpoint/values")).json()["values"]
    assert 404 == (await foreign.ask("/v1/metrics/api.response_seconds/labels")).status_code


async def test_of_several_questions_each_is_answered_or_refused_by_itself(asked: Asked) -> None:
    """The refusal names its place in the request."""
    answer = await asked.post(
        {"id": "bad", "metric": "api.response_seconds", "by": ["user"]},
        {"id": "odd", "metric": 7},
        {"id": "good", "metric": "api.response_seconds"},
    )

    found = answer.json()
    assert (200, "partial") == (answer.status_code, found["status"])
    assert ["bad", "odd", "good"] == [result["id"] for result in found["results"]]
    assert "/questions/0/by" == found["results"][0]["error"]["pointer"]
    assert "/questions/1/metric" == found["results"][1]["error"]["pointer"]
    assert "series" in found["results"][2]


async def test_texts_that_no_table_can_hold_are_answered(asked: Asked) -> None:
    """A value that no series can have matches none; a name that none can have is unknown."""
    answer = await asked.post(
        {"metric": "api.response_seconds", "where": ["method=\0"]},
        {"metric": "api.response_seconds", "where": ["\0=GET"]},
        {"metric": "a\0b"},
    )

    found = answer.json()["results"]
    assert 0 == sum(found[0]["series"][0]["samples"])
    assert ["unknown_label", "unknown_metric"] == [result["error"]["code"] for result in found[1:]]


async def test_the_same_answer_again_is_304(asked: Asked) -> None:
    """A window that is long closed does not change."""
    now = now_ms()
    q = (
        '{"questions":[{"metric":"api.response_seconds","resolution":"1h",'
        f'"from":{now - 4 * HOUR_MS},"to":{now - 2 * HOUR_MS}}}]}}'
    )
    async with httpx2.AsyncClient(base_url=asked.mine.url, timeout=20) as client:
        key = {"x-api-key": asked.mine.key}
        first = await client.get("/v1/query", params={"q": q}, headers=key)
        body = first.json()
        again = await client.get(
            "/v1/query", params={"q": q}, headers=key | {"if-none-match": first.headers["etag"]}
        )

    assert (200, 304) == (first.status_code, again.status_code)
    assert "ok" == body["status"]
    assert b"" == again.content
    assert "private, no-cache" == first.headers["cache-control"]
    assert "total;dur=" in first.headers["server-timing"]


async def test_metrics_come_in_pages_with_totals_and_links(asked: Asked) -> None:
    """As the source documents name them."""
    found = (await asked.mine.ask("/v1/metrics", size="1")).json()

    assert (1, 1, 1, False, False) == tuple(
        found[name] for name in ("total", "page", "total_pages", "has_next", "has_previous")
    )
    assert [{"kind": "delta", "unit": "s", "series": 9}] == found["items"][0]["kinds"]
