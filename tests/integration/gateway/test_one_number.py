"""One number: a question in JSON, in PromQL, in SQL and as a file is answered alike, over real tables.

`TIDEGAUGE_QUESTIONS` says how many are generated. Spans are whole quarters of an hour that are complete.
"""

import csv
import os
from io import StringIO
from random import Random
from typing import Any

import httpx2
import pytest

from shared.model.series import Series
from shared.model.window import start_of
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot

pytestmark = pytest.mark.servers

QUESTIONS = int(os.environ.get("TIDEGAUGE_QUESTIONS", "60"))
QUARTER_MS, HOUR_MS = 900_000, 3_600_000
METRIC = "api.response_seconds"
ENDPOINTS = ("/a", "/b", "/c")

SQL = """
SELECT labels->>'endpoint', sum(count), sum(sum),
       sketch_quantile(sketch_merge(sketch_of(sketch_bucket, sketch_weight)), $4, min(min), max(max))
FROM rollup_15m JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = 'api.response_seconds' AND window_start >= to_timestamp($2::bigint)
  AND window_start < to_timestamp($3::bigint) AND ($5 = '' OR labels->>'method' = $5)
GROUP BY 1
"""

Numbers = dict[str, tuple[float, float, float]]
"""Count, sum and quantile by endpoint."""


class Asking:
    """Asks one question in four ways."""

    def __init__(self, mine: Reader, client: httpx2.AsyncClient, conn: connections.Connection) -> None:
        self._mine = mine
        self._client = client
        self._conn = conn

    async def in_json(self, question: dict[str, Any], name: str) -> Numbers:
        """`POST /v1/query`."""
        answer = await self._client.post("/v1/query", json={"questions": [question]})
        return {
            series["labels"]["endpoint"]: (
                series["values"]["count"][0], series["values"]["sum"][0], series["values"][name][0],
            )
            for series in answer.json()["results"][0]["series"]
            if series["samples"][0]
        }  # fmt: skip

    async def in_promql(self, span: tuple[int, int], method: str, q: float) -> Numbers:
        """Three instants, at the end of the span."""
        seconds = (span[1] - span[0]) // 1000
        of = f'{{method="{method}"}}' if method else ""
        by = f"sum by (endpoint) (increase(api_response_seconds_%s{of}[{seconds}s]))"
        sketches = f"sum by (endpoint, le) (rate(api_response_seconds_bucket{of}[{seconds}s]))"
        found: list[dict[str, float]] = []
        for query in (by % "count", by % "sum", f"histogram_quantile({q}, {sketches})"):
            parameters = {"query": query, "time": str(span[1] / 1000)}
            answer = (await self._client.get("/prometheus/api/v1/query", params=parameters)).json()
            assert answer["status"] == "success", (query, answer)
            found.append(
                {one["metric"]["endpoint"]: float(one["value"][1]) for one in answer["data"]["result"]}
            )
        return {
            endpoint: (found[0][endpoint], found[1][endpoint], found[2][endpoint])
            for endpoint, count in found[0].items()
            if count
        }

    async def in_sql(self, span: tuple[int, int], method: str, q: float) -> Numbers:
        """What docs/QUERIES.md shows."""
        seconds = span[0] // 1000, span[1] // 1000
        rows = await self._conn.fetch(SQL, self._mine.tenant_id, *seconds, q, method)
        return {endpoint: tuple(numbers) for endpoint, *numbers in rows}

    async def in_csv(self, question: dict[str, Any], name: str) -> Numbers:
        """`POST /v1/exports`."""
        answer = await self._client.post("/v1/exports", json={"question": question, "format": "csv"})
        assert answer.status_code == 200, answer.text
        return {
            row["endpoint"]: (float(row["count"]), float(row["sum"]), float(row[name]))
            for row in csv.DictReader(StringIO(answer.text))
            if row["samples"] != "0"
        }


def drawn(random: Random, end_ms: int) -> tuple[tuple[int, int], str, int]:
    """A span, a method or none, and a percentile."""
    length_ms = random.choice([1, 2, 4]) * QUARTER_MS
    to_ms = start_of(end_ms - random.randrange(0, 8) * QUARTER_MS, length_ms)
    return (to_ms - length_ms, to_ms), random.choice(["", "GET", "POST"]), random.choice([50, 75, 95, 99])


async def fill(mine: Reader, gateway: Gateway, pool: connections.Pool, end_ms: int) -> None:
    """Points of five hours, some of them late."""
    random, now = Random(5), now_ms()
    series = [
        Series(mine.tenant_id, METRIC, "delta", "s", (("endpoint", endpoint), ("method", method)))
        for endpoint in ENDPOINTS
        for method in ("GET", "POST")
    ]

    def dots(count: int, to_ms: int) -> list[Dot]:
        times = [random.randrange(end_ms - 5 * HOUR_MS, to_ms) for _ in range(count)]
        return [Dot(random.choice(series), time, random.randrange(1, 9999) / 512) for time in times]

    partition = FoldedPartition(pool, gateway.topic, 0)
    await partition.fold_in_time(dots(4_000, end_ms), now)
    await partition.fold_late(dots(300, end_ms - HOUR_MS), now)


async def test_each_way_to_ask_gives_one_number(
    mine: Reader, gateway: Gateway, pool: connections.Pool
) -> None:
    """Late points included; quantiles come from the same sketches."""
    random, end_ms = Random(6), start_of(now_ms() - 5_000, QUARTER_MS)
    await fill(mine, gateway, pool, end_ms)
    async with (
        httpx2.AsyncClient(base_url=mine.url, timeout=30, headers={"x-api-key": mine.key}) as client,
        connections.connection(pool) as conn,
    ):
        asking = Asking(mine, client, conn)
        for _ in range(QUESTIONS):
            span, method, percent = drawn(random, end_ms)
            name = f"p{percent}"
            question = {
                "metric": METRIC, "aggregates": ["count", "sum", name], "by": ["endpoint"],
                "where": [f"method={method}"] if method else [], "from": span[0], "to": span[1],
                "resolution": f"{(span[1] - span[0]) // 60_000}m",
            }  # fmt: skip
            found = [
                await asking.in_json(question, name),
                await asking.in_csv(question, name),
                await asking.in_promql(span, method, percent / 100),
                await asking.in_sql(span, method, percent / 100),
            ]

            wanted = {key: pytest.approx(numbers, rel=1e-9) for key, numbers in found[0].items()}
            assert [wanted] * 3 == found[1:]
