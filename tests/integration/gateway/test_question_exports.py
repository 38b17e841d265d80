"""Exports of questions: the figures that `POST /v1/query` answers, one row for each group and window."""

from datetime import UTC, datetime
from itertools import chain
from typing import Any

import httpx2
import msgspec
import pytest

from services.gateway.query.exports.asked.export import Body, export_of
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support.exporting import files
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot

pytestmark = pytest.mark.servers

HOUR_MS = 3_600_000
FIGURES = ["count", "histogram", "avg", "p95", "last"]


@pytest.fixture
async def asked(mine: Reader, gateway: Gateway, pool: connections.Pool) -> Reader:
    """Points of two hours, one a minute, of three routes; one of them has a value of every label."""
    now = now_ms()
    routes = [
        Series(mine.tenant_id, "api.response_seconds", "delta", "s", labels)
        for labels in ((("count", 'a "b"'), ("route", "/a")), (("route", "/b"),), ())
    ]
    dots = [
        Dot(route, now - 2 * HOUR_MS + minute * 60_000, minute / 4 + 0.25)
        for route in routes
        for minute in range(100)
    ]
    await FoldedPartition(pool, gateway.topic, 0).fold_in_time(dots, now - 5_000)
    return mine


def expected(answer: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """The rows of an answer."""
    instants = [
        [datetime.fromtimestamp(each / 1000, UTC) for each in answer[end]] for end in ("start_ms", "end_ms")
    ]
    groups = [(group, False) for group in answer["series"]]
    groups += [(answer["rest"] | {"labels": {}}, True)] if "rest" in answer else []
    return [
        {
            "label_count": group["labels"].get("count"), "route": group["labels"].get("route"),
            "window_start": instants[0][place], "window_end": instants[1][place],
            "complete": answer["complete"][place], "rest": rest,
            **{name: group[name][place] for name in ("samples", "revision", "late")},
            **{name: group["values"][name][place] for name in names},
        }
        for group, rest in groups
        for place in range(len(answer["start_ms"]))
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("top", [None, {"n": 1, "of": "p95"}], ids=["all groups", "the largest group"])
async def test_a_file_holds_what_the_same_question_is_answered(
    asked: Reader, name: str, top: dict[str, Any] | None
) -> None:
    """One number, whether it is asked for or exported; groups beyond the largest are one, and marked."""
    now = now_ms()
    question = {
        "metric": "api.response_seconds", "aggregates": FIGURES, "by": ["route", "count"], "resolution": "15m",
        "from": now - 3 * HOUR_MS, "to": now,
    } | ({"top": top} if top else {})  # fmt: skip
    async with httpx2.AsyncClient(base_url=asked.url, timeout=30, headers={"x-api-key": asked.key}) as client:
        answered = await client.post("/v1/query", json={"questions": [question]})
        exported = await client.post("/v1/exports", json={"question": question, "format": name})
        said = await asked.ask(f"/v1/exports/{exported.headers['tidegauge-export']}")
    body = msgspec.convert({"question": question, "format": name}, Body)
    columns = export_of(body, asked.tenant_id, now).columns
    found = files.read(name, exported.content, columns)
    names = [*chain(FIGURES, ("p95_low", "p95_high"))]
    rows = expected(answered.json()["results"][0], names)

    assert (200, 200) == (answered.status_code, exported.status_code)
    assert files.ordered(rows) == files.ordered(found)
    assert ("complete", len(rows)) == (said.json()["state"], said.json()["rows"])
    assert (top is not None) == any(row["rest"] for row in rows)


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        pytest.param({"question": {"metric": "api.respones_seconds"}}, 404, "/question/metric", id="unknown metric"),
        pytest.param({"question": {"metric": "m", "resolution": "7s"}}, 400, "/question/resolution", id="resolution"),
        pytest.param({"question": {"metric": "m", "compare": "7d"}}, 400, "/question/compare", id="a second range"),
        pytest.param({"question": {"metric": "m", "aggregates": ["p101"]}}, 400, "/question/aggregates/0", id="figure"),
        pytest.param({"question": {"metric": 1}}, 400, "/question/metric", id="no text"),
        pytest.param({"question": {"metric": "m"}, "table": "events"}, 400, None, id="a table as well"),
    ],
)  # fmt: skip
async def test_a_question_that_cannot_be_answered_is_refused(
    asked: Reader, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    """As it is refused elsewhere, at its place; no file begins."""
    async with httpx2.AsyncClient(base_url=asked.url, timeout=30, headers={"x-api-key": asked.key}) as client:
        answer = await client.post("/v1/exports", json=body)

    assert (status, pointer) == (answer.status_code, answer.json().get("pointer"))
