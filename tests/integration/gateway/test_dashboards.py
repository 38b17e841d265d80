"""Every query of every dashboard, run where it is asked, finds what the clients and the demo send."""

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import pytest_asyncio
import yaml

from deploy.grafana.pages import DASHBOARDS
from deploy.grafana.panels import RANGE, RATE, Panel, Query
from deploy.local.stack import Stack
from deploy.postgres import readers
from services.gateway.query.prometheus.language.reading import parsed, text_of
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support import promtool
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot

pytestmark = pytest.mark.servers

EVERY_MS = 10_000

SENT: list[tuple[str, str, str, dict[str, str], float]] = [
    ("api.response_seconds", "delta", "s", {"endpoint": "/a", "method": "GET", "status": "200"}, 0.25),
    ("api.response_seconds", "delta", "s", {"endpoint": "/b", "method": "POST", "status": "503"}, 2.0),
    *(
        (f"web_vital.{name}", "gauge", unit, {"page": "/p", "rating": rating, "navigation_type": "navigate"}, value)
        for name, unit, value in (
            ("lcp", "ms", 2000.0), ("inp", "ms", 90.0), ("cls", "1", 0.05), ("fcp", "ms", 900.0), ("ttfb", "ms", 300.0),
        )
        for rating in ("good", "poor")
    ),
    ("events.count", "delta", "", {"type": "page_view"}, 1.0),
    ("events.count", "delta", "", {"type": "funnel_step"}, 1.0),
    ("errors.count", "delta", "", {}, 1.0),
    ("memory.heap_ratio", "gauge", "1", {"page": "/p"}, 0.5),
    ("client.discarded", "delta", "", {"reason": "queue_overflow", "category": "error"}, 1.0),
    ("intake.refused", "delta", "", {"path": "/v1/telemetry", "status": "400", "code": "invalid_body"}, 1.0),
    ("tidegauge.ledger.difference", "gauge", "", {"signal": "points"}, 0.0),
    ("host.cpu.utilization", "gauge", "1", {"core": "0"}, 0.25),
    ("host.memory.utilization", "gauge", "1", {}, 0.5),
    ("host.network.io", "delta", "By", {"direction": "receive"}, 1000.0),
]  # fmt: skip
"""What docs/clients/mapping.md, the projections and the demo name: metric, kind, unit, labels and a value."""


def asked(source: str) -> list[tuple[str, Panel, Query]]:
    """Each query of a source, with its dashboard and panel."""
    return [
        (made.name, panel, query)
        for made in DASHBOARDS
        for panel in made.panels
        if panel.source == source
        for query in panel.queries
    ]


def filled(query: Query) -> str:
    """A query as it is sent: spans and choices are filled in."""
    text = query.text.replace(RATE, "1m").replace(RANGE, "10m")
    return re.sub(r"\$(page|endpoint)\b", ".*", text)


@pytest_asyncio.fixture
async def sent(mine: Reader, gateway: Gateway, pool: connections.Pool) -> int:
    """A point of each series each 10 s for a quarter of an hour; when the last ones came."""
    now = now_ms() // EVERY_MS * EVERY_MS - 5_000
    owners = [
        (Series(mine.tenant_id, metric, kind, unit, tuple(sorted(labels.items()))), value)
        for metric, kind, unit, labels, value in SENT
    ]
    dots = [Dot(owner, now - step * EVERY_MS, value) for owner, value in owners for step in range(90)]
    await FoldedPartition(pool, gateway.topic, 0).fold_in_time(dots, now)
    return now


async def test_every_query_of_tidegauge_finds_series(mine: Reader, sent: int) -> None:
    """At once and over a range; none needs what is not answered here."""
    empty = []
    async with httpx2.AsyncClient(
        base_url=f"{mine.url}/prometheus/api/v1", auth=httpx2.BasicAuth("grafana", mine.key), timeout=20
    ) as http:
        for name, panel, query in asked("tidegauge"):
            text = filled(query)
            end = sent // 60_000 * 60
            instant = (await http.post("/query", data={"query": text, "time": str(end)})).json()
            form = {"query": text, "start": str(end - 600), "end": str(end), "step": "15"}
            over = (await http.post("/query_range", data=form)).json()
            for body in (instant, over):
                assert "success" == body["status"], (name, panel.title, body)
                if not body["data"]["result"] or ("infos" in body and "no metric" in str(body["infos"])):
                    empty.append((name, panel.title, text))
        for made in DASHBOARDS:
            for variable in made.variables:
                params = {"match[]": variable.of}
                values = (await http.get(f"/label/{variable.name}/values", params=params)).json()["data"]
                assert values, variable

    assert [] == empty


async def test_every_query_and_rule_of_the_services_names_what_they_show(gateway: Gateway) -> None:
    """A misspelt instrument would be an empty panel for ever."""
    root = Path(__file__).parents[3]
    await gateway.post({"points": [{"name": "__bad", "value": 1}, {"name": "m", "value": 1}]})
    shown = await gateway.intake.metrics() + await gateway.query.metrics()
    instruments = set(re.findall(r"^# TYPE (\w+) ", shown, re.MULTILINE)) | {"up"}
    rules = yaml.safe_load((root / "deploy/prometheus/rules.yml").read_text())["groups"]
    texts = [filled(query) for _, _, query in asked("services")]
    texts += [rule["expr"] for group in rules for rule in group["rules"]]
    named = {
        name
        for text in texts
        for name in re.findall(r"\b((?:gateway|bound)_\w+|up)\b", re.sub(r"by \([^)]*\)", "", text))
    }
    for text in texts:
        parsed(text_of(text).parsable)

    assert named - instruments == set()
    assert {"gateway_accepted_total", "bound_used", "up"} <= named


def test_promtool_takes_the_settings_of_the_prometheus_beside_it() -> None:
    """Its rules too."""
    folder = Path(__file__).parents[3] / "deploy/prometheus"
    checks = [("config", "--syntax-only", "prometheus.yml"), ("rules", "--lint=all", "rules.yml")]
    found = [promtool.run("check", kind, flag, str(folder / name)) for kind, flag, name in checks]

    assert [0, 0] == [code for code, _ in found], found


async def test_every_query_in_sql_is_answered_to_a_reader(stack: Stack, mine: Reader) -> None:
    """As a login that sees this tenant alone; rows there are of the funnel and of errors."""
    now = datetime.fromtimestamp(now_ms() / 1000, UTC)
    await mine.write(
        "INSERT INTO event VALUES ($1, $1, $2, $3, 'error', 'TypeError', 's1', 'u1', '{\"message\": \"broken\"}')",
        (now, mine.tenant_id, uuid4().hex),
    )
    await mine.write(
        "INSERT INTO funnel_entry VALUES ($1, 'effect_creation', 's1', $2, $2, 2, ARRAY[$2, $2]::timestamptz[], 0, "
        "ARRAY[1, 2]::smallint[], ARRAY[$2, $2]::timestamptz[])",
        (mine.tenant_id, now),
    )
    address = await readers.create(stack.postgres, [mine.key])
    conn = await asyncpg.connect(address)
    try:
        found = {
            panel.title: await conn.fetch(
                re.sub(
                    r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '1 hour' AND now()", query.text
                )
            )
            for _, panel, query in asked("sql")
        }
    finally:
        await conn.close()
        await readers.drop(stack.postgres, re.findall(r"//([^:]+):", address)[0])

    assert {"Latest errors", "Sessions by step", "Time to each step", "What became of it"} == set(found)
    assert [("TypeError", "broken")] == [(row["name"], row["message"]) for row in found["Latest errors"]]
    assert [1, 1] == [row["sessions"] for row in found["Sessions by step"]]
