"""Generated PromQL means here what it means to a real Prometheus that has the same samples.

Values of gauges, so that windows and samples say the same. Samples lie between instants: a window ends before its end,
the range of a Prometheus at it.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from services.gateway.query.prometheus.envelope import reply_of
from services.gateway.query.prometheus.errors import QueryError
from services.gateway.query.prometheus.evaluation.reading import Instants
from services.gateway.query.prometheus.service import Queries, Question
from shared.model.series import Series
from tests.support.memory_source import MemorySource, Point
from tests.support.prometheus_server import serving

SINCE_MS = 1_700_000_400_000
MINUTES = 30
NOW_MS = SINCE_MS + MINUTES * 60_000
QUERIES = 600
"""Queries, each asked at one instant and over a range."""

VALUES = [0.0, 1.0, -1.0, 2.5, 0.1, 100.0, -7.0, 3.0, 3.0, 1e9, 1e-7, 0.1 + 0.2]
OPERATORS = ["+", "-", "*", "/", "==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "<= bool"]


def points() -> list[Point]:
    """`m` has different values, `n` and `p` equal ones; `p` is sparse, and a part of `n` is away for ten minutes."""
    rng, found = random.Random(1), []
    for metric in "mnp":
        for labels in [(("a", a), ("b", b)) for a in "xy" for b in "123"]:
            for step in range(MINUTES * 6):
                if rng.random() < (0.75 if metric == "p" else 0.3):
                    continue
                if metric == "n" and labels[0][1] == "y" and 60 < step < 120:
                    continue
                value = round(rng.uniform(-5, 50), 3) if metric == "m" else rng.choice(VALUES)
                owner = Series(1, metric, "gauge", "", labels)
                found.append(Point(owner, SINCE_MS + step * 10_000 + 5_000, value))
    return found + buckets(rng)


def buckets(rng: random.Random) -> list[Point]:
    """`h_bucket`: classic histograms, whose counts fall now and then, and of which a bucket is away for a while."""
    bounds = ["0.1", "0.5", "1", "2.5", "+Inf"]
    return [
        Point(
            Series(1, "h_bucket", "gauge", "", (("a", label), ("le", bound))),
            SINCE_MS + step * 10_000 + 5_000,
            max(0.0, float(step % 7 * place + rng.choice([0, 0, 1, -1]))),
        )
        for label in "xy"
        for place, bound in enumerate(bounds)
        for step in range(0, MINUTES * 6, 2)
        if not (bound == "1" and 40 < step < 110)
    ]


class Generator:
    """Makes queries."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def pick(self, *parts: str) -> str:
        """One of them."""
        return self.rng.choice(parts)

    def selector(self) -> str:
        """A metric with matchers."""
        where = self.pick(
            "", "", '{a="x"}', '{b!="2"}', '{a=~"x|y",b=~"[12]"}', '{b!~"3"}', '{c=""}', '{a="zz"}'
        )
        return self.pick("m", "n", "p") + where

    def leaf(self) -> str:
        """Series at an instant, or a function of a range of them."""
        offset = self.pick("", "", "", " offset 1m", " offset -30s")
        if self.rng.random() < 0.5:
            return self.selector() + offset
        name = self.pick("avg", "min", "max", "sum", "count", "last", "present")
        return f"{name}_over_time({self.selector()}[{self.pick('30s', '1m', '5m', '20s', '10m')}]{offset})"

    def query(self, depth: int) -> str:
        """A query of a depth."""
        if depth == 0:
            return self.leaf()
        inner, kinds = self.query(depth - 1), 10
        by = self.pick(
            "", " by (a)", " by (a,b)", " without (b)", " by (zz)", " without (a,b)", " by (__name__)"
        )
        number = self.pick("0", "1", "2.5", "-3", "100")
        return [
            lambda: f"({inner}) {self.pick(*OPERATORS)} {self._matching()}({self.query(depth - 1)})",
            lambda: f"({inner}) {self.pick('^', *OPERATORS)} {number}",
            lambda: f"{number} {self.pick('^', *OPERATORS)} ({inner})",
            lambda: (
                f"({inner}) {self.pick('and', 'or', 'unless')} {self._matching()}({self.query(depth - 1)})"
            ),
            lambda: f"{self.pick('sum', 'avg', 'min', 'max', 'count')}{by} ({inner})",
            lambda: (
                f"{self.pick('topk', 'bottomk')}{self.pick('', ' by (a)')} ({self.pick('0', '1', '2', '9')}, m)"
            ),
            lambda: f"quantile{by} ({self.pick('0', '0.3', '0.5', '1', '-1', '2')}, {inner})",
            lambda: self._function(inner),
            self._histogram,
            lambda: (
                self.pick("absent(%s)", "vector(scalar(%s))", "scalar(%s)*vector(time())", "(%s) + time()")
                % inner
            ),
        ][self.rng.randrange(kinds)]()

    def _matching(self) -> str:
        return self.pick("", "", "", "on(a,b) ", "ignoring(b) ", "on(a) ", "ignoring() ")

    def _histogram(self) -> str:
        buckets = self.pick(
            "h_bucket", "sum by (le) (h_bucket)", 'h_bucket{le!="+Inf"}', "avg_over_time(h_bucket[1m])"
        )
        return f"histogram_quantile({self.pick('0', '0.1', '0.5', '0.99', '1', '-1', '2')}, {buckets})"

    def _function(self, inner: str) -> str:
        return self.pick(
            "abs(%s)", "ceil(%s)", "floor(%s)", "round(%s)", "round(%s, 0.1)", "round(%s, 5)", "clamp(%s,-1,2)",
            "clamp(%s,3,1)", "clamp_min(%s, 2)", "clamp_max(%s, 2)", "-(%s)", "sort(%s)", "sort_desc(%s)",
        ) % inner  # fmt: skip


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus with the samples."""
    samples = [(each.series.metric, dict(each.series.labels), each.ts_ms, each.value) for each in points()]
    with serving(samples, tmp_path_factory.mktemp("prometheus")) as address:
        yield address


async def ours(queries: Queries, query: str, instants: Instants, *, is_range: bool) -> dict[str, Any]:
    """Our data, or the kind of error."""
    try:
        answer = await queries.answer(Question(1, query, instants, is_range, NOW_MS))
    except QueryError as error:
        return {"errorType": error.error_type}
    data: dict[str, Any] = reply_of(answer, instants, is_range=is_range, limit=0).data
    return data


async def theirs(
    http: httpx2.AsyncClient, query: str, instants: Instants, *, is_range: bool
) -> dict[str, Any]:
    """The data of Prometheus, or the kind of error."""
    first_s = instants.start_ms / 1000
    form: dict[str, Any] = {"query": query, "time": first_s}
    if is_range:
        last_s = (instants.start_ms + instants.step_ms * (instants.size - 1)) / 1000
        form = {"query": query, "start": first_s, "end": last_s, "step": instants.step_ms / 1000}
    body = (await http.post("/api/v1/query_range" if is_range else "/api/v1/query", data=form)).json()
    data: dict[str, Any] = body["data"] if body["status"] == "success" else {"errorType": body["errorType"]}
    return data


def is_close(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of numbers."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_close, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_close(value, other[key]) for key, value in one.items())
    if one == other or not isinstance(one, str):
        return bool(one == other)
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-3) or {one, other} == {"NaN"}
    except ValueError:
        return False


def in_order(data: dict[str, Any], query: str) -> dict[str, Any]:
    """Data whose series are in order of their labels, unless the query says another."""
    if data.get("resultType") == "vector" and not query.startswith(("sort", "topk", "bottomk")):
        return data | {"result": sorted(data["result"], key=lambda each: sorted(each["metric"].items()))}
    return data


@pytest.mark.parametrize("seed", range(2))
async def test_a_query_means_what_it_means_to_prometheus(prometheus: str, seed: int) -> None:
    """Values, labels, order and kinds of error."""
    source = MemorySource(points(), NOW_MS)
    queries, made = Queries(source, source), Generator(seed)
    different = []
    async with httpx2.AsyncClient(base_url=prometheus) as http:
        for number in range(QUERIES):
            query = made.query(number % 4)
            for is_range in (False, True):
                instants = Instants(SINCE_MS + made.rng.randrange(30, 170) * 10_000, 0, 1)
                if is_range:
                    step_ms = made.rng.choice([10_000, 20_000, 30_000, 60_000, 70_000, 120_000])
                    start_ms = SINCE_MS + made.rng.randrange(60) * 10_000
                    instants = Instants(start_ms, step_ms, made.rng.randrange(1, 40))
                found = await ours(queries, query, instants, is_range=is_range)
                wanted = await theirs(http, query, instants, is_range=is_range)
                if not is_close(in_order(found, query), in_order(wanted, query)):
                    different.append((query, instants, found, wanted))

    assert [] == different[:3]
