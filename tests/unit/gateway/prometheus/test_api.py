"""The API of Prometheus: envelopes, parameters, refusals, and what one tenant may see."""

from typing import Any

import httpx2
import pytest

from services.gateway.query.prometheus.envelope import text_of
from services.gateway.query.resources.alerts.alert import Alert
from shared.model.series import Series
from tests.support.memory_source import MemorySource, Point
from tests.support.prometheus_api import application, client

NOW_MS = 1_700_000_040_000

SHOP = (("method", "GET"), ("shop.id", "7"))


def points() -> list[Point]:
    """A gauge and a delta of tenant 1, secrets of tenant 2, a minute old and newer."""
    cpu = [Series(1, "cpu.load", "gauge", "1", (("core", core),)) for core in "01"]
    time = Series(1, "api.seconds", "delta", "s", SHOP)
    secret = Series(2, "secret.metric", "gauge", "", (("secret_label", "secret value"),))
    common = Series(2, "cpu.load", "gauge", "1", (("core", "secret"),))
    return [
        Point(owner, NOW_MS - 5_000 - 10_000 * step, 0.5 + step / 4)
        for owner in (*cpu, time, secret, common)
        for step in range(6)
    ]


def alert(rule: str, state: str, **labels: str) -> Alert:
    """An alert of a rule."""
    return Alert(
        "a1" * 16,
        rule,
        state,
        f"{rule}{labels}",
        labels,
        {"summary": "s"},
        1.5,
        "a:b:max_10s > 1",
        0,
        10,
        20,
        None,
        30,
    )


ALERTS = {
    1: [
        alert("Slow", "firing", severity="critical", endpoint="/a"),
        alert("Slow", "resolved", severity="critical", endpoint="/b"),
        alert("Idle", "resolved", severity="warning"),
    ],
    2: [alert("secret", "firing", severity="secret")],
}


def source(**settings: Any) -> MemorySource:
    """The points as a source."""
    return MemorySource(points(), NOW_MS, **settings)


async def get(path: str, params: Any = None, key: str = "one") -> httpx2.Response:
    """A GET below the prefix."""
    async with client(application(source(), ALERTS), key) as http:
        return await http.get(path, params=params)


async def data(path: str, params: Any = None, key: str = "one") -> Any:
    """The data of a GET."""
    answer = await get(path, params, key)
    body = answer.json()
    assert (200, "success") == (answer.status_code, body["status"]), body
    return body["data"]


async def error(path: str, params: Any = None) -> tuple[int, str, str]:
    """Status, kind and message of what is refused."""
    answer = await get(path, params)
    body = answer.json()
    assert "error" == body["status"]
    return answer.status_code, body["errorType"], body["error"]


TIME = {"time": str(NOW_MS / 1000)}


async def test_a_vector_has_times_as_numbers_and_values_as_texts() -> None:
    """Names stay as they were asked for."""
    found = await data("/api/v1/query", {"query": "cpu_load", **TIME})

    assert {
        "resultType": "vector",
        "result": [
            {"metric": {"__name__": "cpu_load", "core": core}, "value": [1_700_000_040, "0.5"]}
            for core in "01"
        ],
    } == found


async def test_a_matrix_has_a_value_where_there_is_one() -> None:
    """Instants before the first window have none; others are rounded down to a window's end."""
    span = {"start": "2023-11-14T22:12:50Z", "end": str(NOW_MS / 1000), "step": "15s"}
    found = await data("/api/v1/query_range", {"query": 'sum(cpu_load{core="0"})', **span})

    assert {
        "resultType": "matrix",
        "result": [
            {
                "metric": {},
                "values": [[1_700_000_000, "1.5"], [1_700_000_015, "1.25"], [1_700_000_030, "0.75"]],
            }
        ],
    } == found  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("1+1", {"resultType": "scalar", "result": [4, "2"]}),
        ('"a\\nb"', {"resultType": "string", "result": [4, "a\nb"]}),
        ("vector(time())", {"resultType": "vector", "result": [{"metric": {}, "value": [4, "4"]}]}),
    ],
)
async def test_what_is_no_vector_is_answered_as_what_it_is(query: str, found: Any) -> None:
    """The first is the health check of Grafana."""
    async with client(application(source())) as http:
        answer = await http.post("/api/v1/query", data={"query": query, "time": "4"})

    assert found == answer.json()["data"]


async def test_a_scalar_over_a_range_is_one_series() -> None:
    """Without labels."""
    found = await data("/api/v1/query_range", {"query": "1", "start": "0", "end": "20", "step": "10"})

    assert [{"metric": {}, "values": [[0, "1"], [10, "1"], [20, "1"]]}] == found["result"]


@pytest.mark.parametrize(
    ("path", "params", "status", "kind", "message"),
    [
        ("query", {}, 400, "bad_data", "no expression found"),
        ("query", {"query": "1", "time": "x"}, 400, "bad_data", 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "NaN"}, 400, "bad_data", 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "1e300"}, 400, "bad_data", 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "-1"}, 400, "bad_data", 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "2023-11-14T22:12:50"}, 400, "bad_data", 'invalid parameter "time"'),
        ("query", {"query": "1", "timeout": "soon"}, 400, "bad_data", 'invalid parameter "timeout"'),
        ("query", {"query": "1", "limit": "-1"}, 400, "bad_data", 'invalid parameter "limit"'),
        ("query", {"query": "1", "timeout": "0"}, 503, "timeout", "timed out"),
        ("query", {"query": "stddev(cpu_load)"}, 422, "execution", "1:1: stddev() is beyond"),
        ("query_range", {"query": "1"}, 400, "bad_data", 'invalid parameter "start"'),
        ("query_range", {"query": "1", "start": "9", "end": "1", "step": "10"}, 400, "bad_data", "must not be before"),
        ("query_range", {"query": "1", "start": "0", "end": "1", "step": "0"}, 400, "bad_data", "zero or negative"),
        ("query_range", {"query": "1", "start": "0", "end": "1", "step": "9.9"}, 422, "execution", "step: windows are"),
        ("query_range", {"query": "1", "start": "0", "end": "1", "step": "1e999"}, 400, "bad_data", '"step"'),
        ("query_range", {"query": "1", "start": "0", "end": "110010", "step": "10"}, 400, "bad_data", "11,000 points"),
        ("query_range", {"query": '"a"', "start": "0", "end": "9", "step": "10"}, 400, "bad_data", '"string"'),
        ("series", {}, 400, "bad_data", "no match[]"),
        ("series", {"match[]": "1"}, 400, "bad_data", "a selector is needed"),
        ("series", {"match[]": '{core=~".*"}'}, 400, "bad_data", "at least one non-empty matcher"),
        ("series", {"match[]": "cpu_load offset 5m"}, 400, "bad_data", "a selector is needed"),
        ("labels", {"match[]": "("}, 400, "bad_data", "parse error"),
        ("label/U__/values", {}, 400, "bad_data", "invalid label name"),
        ("rules", {"type": "other"}, 400, "bad_data", "not supported"),
        ("nowhere", {}, 404, "not_found", "/prometheus/api/v1/nowhere"),
    ],
)  # fmt: skip
async def test_a_refusal_has_the_form_that_clients_know(
    path: str, params: dict[str, str], status: int, kind: str, message: str
) -> None:
    """Status, kind and a message that names what is wrong."""
    found = await error(f"/api/v1/{path}", params)

    assert (status, kind, True) == (*found[:2], message in found[2]), found


async def test_a_method_that_is_not_answered_is_405_so_that_grafana_asks_again_with_get() -> None:
    """In the form of the API."""
    async with client(application(source())) as http:
        answer = await http.post("/api/v1/label/core/values")

    assert (405, "error") == (answer.status_code, answer.json()["status"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer one"}, 200),
        ({"x-api-key": "one"}, 200),
        ({"authorization": "Basic Z3JhZmFuYTpvbmU="}, 200),
        ({"authorization": "Basic one"}, 401),
        ({"authorization": "Bearer nobody"}, 401),
        ({"authorization": "Bearer writes"}, 403),
        ({"authorization": "Bearer one", "x-api-key": "two"}, 400),
        ({}, 401),
    ],
)
async def test_a_key_is_a_bearer_token_a_header_or_a_password(headers: dict[str, str], status: int) -> None:
    """Whoever has none learns so in the form of the API."""
    transport = httpx2.ASGITransport(application(source()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://query", headers=headers) as http:
        answer = await http.get("/prometheus/api/v1/labels")
        alive = await http.get("/prometheus/-/healthy")

    assert (status, "success" if status == 200 else "error") == (answer.status_code, answer.json()["status"])
    assert (200, "Prometheus Server is Healthy.\n") == (alive.status_code, alive.text)


async def test_what_there_is_is_listed_by_names_that_can_be_asked_for() -> None:
    """Labels keep their own names, also those that are no identifiers."""
    shown = {"__name__": "api_seconds", "method": "GET", "shop.id": "7"}

    assert ["__name__", "core", "method", "shop.id"] == await data("/api/v1/labels")
    assert ["__name__", "core"] == await data("/api/v1/labels", {"match[]": "cpu_load"})
    assert ["__name__", "method", "shop.id"] == await data("/api/v1/labels", {"match[]": '{method=~"G.*"}'})
    assert ["0", "1"] == await data("/api/v1/label/core/values", {"match[]": '{__name__=~"cpu.*"}'})
    assert ["1"] == await data("/api/v1/label/core/values", {"match[]": 'cpu_load{core!="0"}'})
    assert ["7"] == await data("/api/v1/label/U__shop_2e_id/values")
    assert [f"cpu_load{each}" for each in ("", "_bucket", "_count", "_max", "_min", "_sum")] == await data(
        "/api/v1/label/__name__/values", {"match[]": '{core="0"}'}
    )
    assert [shown] == await data("/api/v1/series", {"match[]": ["api_seconds", 'api_seconds{method="GET"}']})
    assert {"api_seconds": [{"type": "counter", "help": "", "unit": "s"}]} == await data(
        "/api/v1/metadata", {"metric": "api_seconds"}
    )


async def test_a_limit_cuts_and_says_so() -> None:
    """0 is none."""
    asked = {"query": "cpu_load", **TIME}
    cut = [
        (await get(path, params)).json()
        for path, params in (
            ("/api/v1/query", {**asked, "limit": "1"}), ("/api/v1/labels", {"limit": "1"}),
            ("/api/v1/label/core/values", {"limit": "1"}), ("/api/v1/series", {"match[]": "cpu_load", "limit": "1"}),
        )
    ]  # fmt: skip
    whole = (await get("/api/v1/query", {**asked, "limit": "0"})).json()

    assert [["results truncated due to limit"]] * 4 == [each["warnings"] for each in cut]
    assert (1, ["__name__"], ["0"], 1) == (
        len(cut[0]["data"]["result"]), cut[1]["data"], cut[2]["data"], len(cut[3]["data"]),
    )  # fmt: skip
    assert (2, False) == (len(whole["data"]["result"]), "warnings" in whole)


async def test_windows_that_are_not_complete_are_said_to_be() -> None:
    """So is a name that no metric has."""
    async with client(application(source(complete_ms=NOW_MS - 20_000))) as http:
        said = [
            (await http.get("/api/v1/query", params={"query": query, **TIME})).json().get("infos", [])
            for query in ("cpu_load", "cpu_load offset 1m", "nobody")
        ]

    assert [
        ["PromQL info: windows after 2023-11-14T22:13:40Z are not complete: their values may still change"],
        [],
        ["PromQL info: no metric is called nobody"],
    ] == said


async def test_alerts_and_rules_are_shown_as_a_prometheus_shows_them() -> None:
    """A rule is as its worst alert is; resolved alerts are inactive, and not listed."""
    groups = (await data("/api/v1/rules"))["groups"]
    alerts = (await data("/api/v1/alerts"))["alerts"]
    named = (await data("/api/v1/rules", {"rule_name[]": "Idle", "exclude_alerts": "true"}))["groups"]

    firing = {
        "labels": {"severity": "critical", "endpoint": "/a", "alertname": "Slow"}, "annotations": {"summary": "s"},
        "state": "firing", "activeAt": "1970-01-01T00:00:00.010Z", "value": "1.500000e+00",
    }  # fmt: skip
    assert [firing] == alerts
    assert [
        ("Idle", "inactive", [], {"severity": "warning"}),
        ("Slow", "firing", [firing], {"severity": "critical"}),
    ] == [(rule["name"], rule["state"], rule["alerts"], rule["labels"]) for rule in groups[0]["rules"]]
    assert [("Idle", False)] == [(rule["name"], "alerts" in rule) for rule in named[0]["rules"]]
    assert [] == (await data("/api/v1/rules", {"type": "record"}))["groups"]
    assert [] == (await data("/api/v1/rules", {"match[]": '{severity="none"}'}))["groups"]


async def test_a_query_is_shown_as_a_tree_and_in_the_usual_form() -> None:
    """Regular expressions too, whatever stands in them."""
    query = 'sum by(a) ( rate(x{b =~ "c\\\\.d|\\"e"}[5m] offset 1m) ) >bool 1'
    shown, pretty = (
        await data("/api/v1/parse_query", {"query": query}),
        await data("/api/v1/format_query", {"query": query}),
    )

    assert 'sum by (a) (rate(x{b=~"c\\\\.d|\\"e"}[5m] offset 1m)) > bool 1' == pretty
    assert ("binaryExpr", ">", True, None) == (shown["type"], shown["op"], shown["bool"], shown["matching"])
    assert {
        "type": "matrixSelector", "name": "x", "range": 300_000, "offset": 60_000,
        "timestamp": None, "startOrEnd": None,
        "matchers": [
            {"name": "b", "value": 'c\\.d|"e', "type": "=~"}, {"name": "__name__", "value": "x", "type": "="},
        ],
    } == shown["lhs"]["expr"]["args"][0]  # fmt: skip


async def test_the_rest_of_what_clients_ask_is_answered() -> None:
    """There are no exemplars, and no features that would make another system of it."""
    build = await data("/api/v1/status/buildinfo")

    assert [] == await data("/api/v1/query_exemplars", {"query": "cpu_load"})
    assert {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"} == set(build)


async def test_no_tenant_learns_of_another() -> None:
    """No name, label, value, count or alert, on any route, whatever is asked for by name."""
    shown = ""
    for path in (
        "query",
        "query_range",
        "labels",
        "series",
        "label/__name__/values",
        "label/secret_label/values",
        "label/core/values",
        "metadata",
        "rules",
        "alerts",
        "query_exemplars",
        "parse_query",
        "format_query",
    ):
        for match in ('{__name__=~"s.*"}', "cpu_load", '{secret_label!=""}', "{core!=''}"):
            params = {
                "query": match,
                "match[]": match,
                "start": "1699999980",
                "end": "1700000040",
                "step": "10",
                **TIME,
            }
            shown += (
                (await get(f"/api/v1/{path}", params))
                .text.replace("secret_label!=", "")
                .replace('"name":"secret_label"', "")
            )

    assert "secret" not in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (-0.5, "-0.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e-6, "0.000001"),
        (1e-7, "1e-07"), (0.1 + 0.2, "0.30000000000000004"), (float("nan"), "NaN"), (float("-inf"), "-Inf"),
        (1.5e16, "15000000000000000"), (-0.0, "-0"), (1.25e-05, "0.0000125"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_go_writes_it(value: float, text: str) -> None:
    """Exponents only below 1e-6 and from 1e21 on."""
    assert text == text_of(value)
