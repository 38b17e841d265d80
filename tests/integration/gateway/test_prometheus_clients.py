"""promtool, and clients that ask as Grafana and Perses do, at a running gateway over real tables and live windows."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from services.gateway.query.prometheus.http import PATHS
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support import promtool
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot
from tests.support.wait import until

pytestmark = pytest.mark.servers

ROUTES = ("/secret-a", "/secret-b")
EVERY_MS = 10_000
MINUTES = 30


@pytest_asyncio.fixture
async def shop(mine: Reader, gateway: Gateway, pool: connections.Pool) -> int:
    """A request of each route each 10 s for half an hour, and a gauge; when the last ones came."""
    now = now_ms() // EVERY_MS * EVERY_MS - 5_000
    times = [
        Series(mine.tenant_id, "api.response_seconds", "delta", "s", (("endpoint", route), ("method", "GET")))
        for route in ROUTES
    ]
    load = Series(mine.tenant_id, "cpu.load", "gauge", "1", (("host", "a"),))
    dots = [
        Dot(owner, now - place * EVERY_MS, value)
        for owner, value in zip((*times, load), (0.25, 0.5, 0.75), strict=True)
        for place in range(MINUTES * 6)
    ]
    partition = FoldedPartition(pool, gateway.topic, 0)
    await partition.fold_in_time(dots, now)
    await partition.show(gateway.kafka, gateway.prefix)

    async def all_are_there() -> bool:
        found = (await mine.ask("/api/v1/analytics/quick-stats")).json()["requests"]
        return found is not None and len(ROUTES) * MINUTES * 6 == found["count"]

    await until(all_are_there, "the gateway has read the open windows")
    return now


async def promtool_reads(mine: Reader, *arguments: str) -> Any:
    """What promtool makes of an answer; asked in a thread, for the gateway must answer meanwhile."""
    # A user in the address is how every version takes a password; later ones have a flag too.
    server = f"{mine.url}/prometheus".replace("//", f"//any:{mine.key}@")
    kind, *flags, last = arguments
    rest = [server, last] if kind != "series" else [last, server]
    shape = ["--format=json"] if kind in {"instant", "range"} else []
    code, said = await asyncio.to_thread(promtool.run, "query", *shape, kind, *flags, *rest)
    assert code == 0, said
    return json.loads(said) if shape else said.split("\n")


async def test_promtool_reads_every_answer(mine: Reader, shop: int) -> None:
    """Instants, ranges, series and labels."""
    end = str(shop // 1000 + 5)
    instant = await promtool_reads(
        mine,
        "instant",
        f"--time={end}",
        "sum by (endpoint) (rate(api_response_seconds_count[5m]))",
    )
    over = await promtool_reads(
        mine, "range", f"--start={shop // 1000 - 295}", f"--end={end}", "--step=60s",
        "histogram_quantile(0.5, sum by (le) (rate(api_response_seconds_bucket[5m])))",
    )  # fmt: skip
    series = await promtool_reads(mine, "series", "--match=cpu_load")
    labels = await promtool_reads(mine, "labels", "endpoint")

    assert [{"endpoint": route} for route in ROUTES] == [each["metric"] for each in instant]
    assert [0.1, 0.1] == [float(each["value"][1]) for each in instant]
    assert [6] == [len(each["values"]) for each in over]
    assert all(0.24 < float(value) < 0.51 for _, value in over[0]["values"])
    assert '{__name__="cpu_load", host="a"}' in series[0]
    assert [*ROUTES, ""] == labels


async def test_a_client_like_grafana_finds_its_way(mine: Reader, shop: int) -> None:
    """Health check, kind of server, forms, and a GET where a POST is not answered."""
    async with httpx2.AsyncClient(
        base_url=f"{mine.url}/prometheus", headers={"authorization": f"Bearer {mine.key}"}, timeout=20
    ) as http:
        health = await http.post("/api/v1/query", data={"query": "1+1", "time": "4"})
        build = (await http.get("/api/v1/status/buildinfo")).json()["data"]
        span = {"start": str(shop / 1000 - 900), "end": str(shop / 1000)}
        names = await _resource(http, "/api/v1/label/__name__/values", {"match[]": '{endpoint!=""}', **span})
        labels = await _resource(http, "/api/v1/labels", {"match[]": "cpu_load", **span})
        series = await _resource(http, "/api/v1/series", {"match[]": "api_response_seconds_count", **span})
        metadata = (await http.get("/api/v1/metadata", params={"limit": "10"})).json()["data"]
        panel = await http.post(
            "/api/v1/query_range",
            data={
                "query": "sum by (endpoint) (rate(api_response_seconds_count[40s]))", "step": "15",
                "start": str(shop // 15_000 * 15 - 900), "end": str(shop // 15_000 * 15),
            },
        )  # fmt: skip
        exemplars = (await http.post("/api/v1/query_exemplars", data={"query": "cpu_load", **span})).json()
        rules = (await http.get("/api/v1/rules")).json()

    assert {"resultType": "scalar", "result": [4, "2"]} == health.json()["data"]
    assert (True, False) == ("version" in build, "features" in build)
    assert {"api_response_seconds", "api_response_seconds_bucket", "api_response_seconds_count"} <= set(names)
    assert (["__name__", "host"], 2) == (labels, len(series))
    assert [{"type": "gauge", "help": "", "unit": "1"}] == metadata["cpu_load"]
    assert [61, 61] == [len(each["values"]) for each in panel.json()["data"]["result"]]
    assert (([], {"groups": []})) == (exemplars["data"], rules["data"])


async def _resource(http: httpx2.AsyncClient, path: str, params: Mapping[str, str]) -> Any:
    """As Grafana asks: a POST, and a GET when that is not answered."""
    answer = await http.post(path, data=params)
    if answer.status_code in {400, 405}:
        answer = await http.get(path, params=params)
    return answer.json()["data"]


async def test_a_client_like_perses_finds_its_way(mine: Reader, shop: int) -> None:
    """Health, variables, and its builder of queries."""
    async with httpx2.AsyncClient(
        base_url=f"{mine.url}/prometheus", auth=httpx2.BasicAuth("perses", mine.key), timeout=20
    ) as http:
        healthy = await http.get("/-/healthy")
        values = await http.get(
            "/api/v1/label/endpoint/values", params={"match[]": "api_response_seconds_count"}
        )
        names = await http.post("/api/v1/labels", data={"match[]": '{"api.response_seconds"}'})
        form = {"query": "max(cpu_load)", "time": str(shop / 1000 + 5)}
        instant = await http.post("/api/v1/query", data=form)
        tree = await http.post("/api/v1/parse_query", data={"query": "rate(x[5m])"})
        pretty = await http.get("/api/v1/format_query", params={"query": "rate( x [5m])"})

    assert 200 == healthy.status_code
    assert list(ROUTES) == values.json()["data"]
    assert ["__name__", "endpoint", "method"] == names.json()["data"]
    assert "0.75" == instant.json()["data"]["result"][0]["value"][1]
    assert ("call", "rate(x[5m])") == (tree.json()["data"]["type"], pretty.json()["data"])


async def test_the_routes_show_one_tenant_nothing_of_another(
    mine: Reader, foreign: Reader, shop: int
) -> None:
    """The other sees no name, label, value or count; the one sees them."""
    shown = {
        owner.key: "".join([
            (
                await owner.ask(
                    path.replace("{name}", name), query=f'{{{label}!=""}}', time=str(shop / 1000),
                    start=str(shop / 1000 - 60), end=str(shop / 1000), step="10", **{"match[]": f'{{{label}!=""}}'},
                )
            ).text
            for path in PATHS
            if not path.endswith("_query")
            for name in ("__name__", "endpoint")
            for label in ("endpoint", "method")
        ])
        for owner in (mine, foreign)
    }  # fmt: skip

    assert ("secret" in shown[mine.key], "api_response" in shown[mine.key]) == (True, True)
    assert ("secret" in shown[foreign.key], "api_response" in shown[foreign.key]) == (False, False)


async def test_values_agree_with_the_query_api(mine: Reader, shop: int) -> None:
    """One source answers both."""
    end_ms = shop + 5_000
    question = {
        "metric": "api.response_seconds", "aggregates": ["count", "sum"], "resolution": "1m",
        "from": end_ms - end_ms % 60_000 - 600_000, "to": end_ms - end_ms % 60_000,
    }  # fmt: skip
    answer = (await mine.ask("/v1/query", q=json.dumps({"questions": [question]}))).json()["results"][0]
    span = {"start": str(question["from"] / 1000 + 60), "end": str(question["to"] / 1000), "step": "60"}
    for figure, name in (("count", "_count"), ("sum", "_sum")):
        query = f"sum(increase(api_response_seconds{name}[1m]))"
        found = (await mine.ask("/prometheus/api/v1/query_range", query=query, **span)).json()["data"]

        values = [float(value) for _, value in found["result"][0]["values"]]
        assert answer["series"][0]["values"][figure] == values
