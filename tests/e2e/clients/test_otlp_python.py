"""OpenTelemetry's SDK for Python as its users run it: logs, traces and metrics of two instances are in Postgres."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.wire.versions import NEW
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(540)]

APP = Path(__file__).with_name("otlp_app.py")
SERVED = {"service.name": "shop", "endpoint": "/users/{id}", "method": "GET", "status": "200"}
ASKED = {
    "service.name": "shop",
    "endpoint": "http://stock.example/items/{id}",
    "method": "GET",
    "status": "0",
}


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """All services of an installation without an older build, which tells instances of a service apart."""
    newest = {"TIDEGAUGE_WRITE_VERSION": str(NEW)}
    async with System(stack, tmp_path, "http://127.0.0.1:1/", newest) as made:
        yield made


async def ran(system: System, compression: str) -> None:
    """Run the service until it has sent all it has."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": system.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{system.key}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,service.version=1.2",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, str(APP), env=os.environ | settings)
    assert await process.wait() == 0


async def summed(system: System, metric: str, column: str, wanted: int) -> dict[str, float]:
    """A column of all windows of each series, as soon as it is so much in all."""
    found: dict[str, float] = {}

    async def all_there() -> bool:
        windows = (await system.get("/v1/windows", metric=metric))["windows"]
        found.clear()
        for each in windows:
            key = labels_of(each["labels"])
            found[key] = found.get(key, 0) + each[column]
        return sum(found.values()) >= wanted

    await until(all_there, f"{metric} is in windows", 60)
    return found


def labels_of(labels: Mapping[str, str]) -> str:
    """Labels as one text."""
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


async def test_what_the_sdk_reports_is_stored_once(system: System) -> None:
    """Lines, exceptions, events, response times by route, errors of spans; of two processes at once, one with gzip.

    R24, R26: their totals have equal labels and come by turns; what each has counted is added.
    """
    await asyncio.gather(ran(system, "none"), ran(system, "gzip"))

    async def stored() -> bool:
        return len(await system.sql("SELECT FROM event WHERE tenant_id = $1", system.tenant_id)) >= 8

    await until(stored, "all events are stored", 60)
    rows = await system.sql(
        "SELECT type, name, properties FROM event WHERE tenant_id = $1 ORDER BY 1, 2", system.tenant_id
    )
    said = [(row["type"], row["name"], orjson.loads(row["properties"])) for row in rows]

    assert [("checkout", "")] * 2 + [("error", "ConnectionError")] * 4 + [("log", "")] * 2 == [
        each[:2] for each in said
    ]
    assert {(9.5, 3)} == {(each["total"], each["items"]) for kind, _, each in said if kind == "checkout"}
    assert {("low stock of apples", "warning", "shop", "1.2")} == {
        (each["message"], each["level"], each["service"], each["release"])
        for kind, _, each in said
        if kind == "log"
    }
    assert all("Traceback" in each["stacktrace"] for kind, _, each in said if kind == "error")
    assert dict.fromkeys(map(labels_of, (SERVED, ASKED)), 2) == await summed(
        system, "api.response_seconds", "count", 4
    )
    assert {labels_of({"service.name": "shop"}): 10} == await summed(system, "orders", "sum", 10)
