"""An OpenTelemetry Collector with its defaults: what it believes delivered of metrics, logs and traces is counted once.

Kafka is away for ten seconds meanwhile, and the gateway is killed and started again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import orjson
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from tests.e2e.agents import programs, tables
from tests.e2e.agents.agent import Agent, measured
from tests.e2e.agents.faults import go_wrong
from tests.support.http.gateway import free_port
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not programs.BUILT, reason="make clients"),
]

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}
processors:
  batch:
exporters:
  otlp_http:
    endpoint: {url}
    headers: {{Authorization: Bearer {key}}}
service:
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp_http]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [otlp_http]}}
    traces: {{receivers: [otlp], processors: [batch], exporters: [otlp_http]}}
"""

PAUSE_S = 0.1
"""Between two reports of the application."""

OF_EACH = 3
"""Points of a report: an increment, a running total, a level."""

EVENTS = """
SELECT count(*) AS events, count(DISTINCT properties->>'message') AS messages FROM event WHERE tenant_id = $1
"""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


@dataclass
class App:
    """An application that reports to the Collector: each time a point of each kind, a line and a request served."""

    url: str
    start_ms: int = field(default_factory=now_ms)
    reports: int = 0
    """How many the Collector has taken."""

    async def report(self, ended: asyncio.Event) -> None:
        """Report until it has ended."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            while not ended.is_set():
                at_ms = now_ms()
                for path, body in self._bodies(at_ms).items():
                    answer = await client.post(
                        path, content=orjson.dumps(body), headers={"content-type": "application/json"}
                    )
                    assert 200 == answer.status_code, answer.text
                self.reports += 1
                await asyncio.wait([asyncio.ensure_future(ended.wait())], timeout=PAUSE_S)

    def _bodies(self, at_ms: int) -> dict[str, object]:
        number, at_ns, start_ns = self.reports + 1, f"{at_ms}000000", f"{self.start_ms}000000"
        of_shop = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
        served = {
            "http.request.method": {"stringValue": "GET"},
            "http.route": {"stringValue": "/cart"},
            "http.response.status_code": {"intValue": "200"},
        }
        metrics = [
            {"name": "orders", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [
                {"timeUnixNano": at_ns, "startTimeUnixNano": at_ns, "asInt": "1"}]}},
            {"name": "visits", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [
                {"timeUnixNano": at_ns, "startTimeUnixNano": start_ns, "asInt": f"{number}"}]}},
            {"name": "queue", "gauge": {"dataPoints": [{"timeUnixNano": at_ns, "asDouble": 5}]}},
        ]  # fmt: skip
        line = {"timeUnixNano": at_ns, "severityNumber": 13, "body": {"stringValue": f"line {number}"}}
        span = {
            "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "GET /cart", "kind": 2,
            "startTimeUnixNano": at_ns, "endTimeUnixNano": f"{at_ms + 20}000000",
            "attributes": [{"key": key, "value": value} for key, value in served.items()],
        }  # fmt: skip
        return {
            "/v1/metrics": {
                "resourceMetrics": [{"resource": of_shop, "scopeMetrics": [{"metrics": metrics}]}]
            },
            "/v1/logs": {"resourceLogs": [{"resource": of_shop, "scopeLogs": [{"logRecords": [line]}]}]},
            "/v1/traces": {"resourceSpans": [{"resource": of_shop, "scopeSpans": [{"spans": [span]}]}]},
        }


@asynccontextmanager
async def reporting(app: App) -> AsyncIterator[None]:
    """The application runs as long as the block."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(app.report(ended))
        try:
            yield
        finally:
            ended.set()


@asynccontextmanager
async def collector(system: System, folder: Path) -> AsyncIterator[tuple[Agent, App]]:
    """A Collector, and an application that may report to it."""
    port, metrics, path = free_port(), free_port(), folder / "collector.yaml"
    path.write_text(CONFIG.format(port=port, metrics=metrics, url=system.url, key=system.key))
    async with measured(
        programs.program("otelcol"), f"--config={path}",
        url=f"http://127.0.0.1:{metrics}", log=folder / "collector.log",
    ) as agent:  # fmt: skip
        yield agent, App(f"http://127.0.0.1:{port}")


async def test_what_a_collector_believes_delivered_is_counted_once(system: System, tmp_path: Path) -> None:
    """And it believes everything delivered, for it repeats for five minutes what was refused."""
    async with collector(system, tmp_path) as (agent, app):
        async with reporting(app):
            await until(lambda: has_grown(system), "the first points are in the tables", 60)
            await go_wrong(system)
        reports = app.reports
        believed = dict.fromkeys(("log_records", "spans"), float(reports)) | {
            "metric_points": float(OF_EACH * reports)
        }

        async def all_sent() -> bool:
            return {signal: await sent(agent, signal) for signal in believed} == believed

        async def all_there() -> bool:
            return await counted(system) == (reports, reports, reports, reports)

        await tables.settled(all_sent, f"the Collector believes {believed} delivered")
        await tables.settled(all_there, f"{reports} of each are in the tables")

    assert reports == await tables.grown(system, "visits")
    assert reports == (await tables.counts(system))["queue"]


async def sent(agent: Agent, signal: str) -> float:
    """How many of a signal it believes delivered."""
    return await agent.sample(f"otelcol_exporter_sent_{signal}")


async def counted(system: System) -> tuple[float, ...]:
    """Increments, events, different events, and requests served."""
    (events,) = await system.sql(EVENTS, system.tenant_id)
    served = (await tables.counts(system)).get("api.response_seconds", 0)
    return await tables.grown(system, "orders"), events["events"], events["messages"], served


async def has_grown(system: System) -> bool:
    """Whether anything has been counted."""
    return await tables.grown(system, "orders") > 0
