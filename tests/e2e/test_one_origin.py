"""Both roles of the gateway behind the proxy of docker-compose.yml: one address, as when there was one process."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.support.http.proxy import origin
from tests.support.processes.system import System
from tests.support.wait import until
from tidegauge_client import Telemetry

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

POINTS = 100

LARGEST_BYTES = 1 << 20
"""Largest body that the gateway takes, by its settings."""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """All services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


@pytest_asyncio.fixture
async def client(system: System, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Who asks at the origin, with a key."""
    async with (
        origin(system.url, system.query_url, tmp_path / "proxy.log") as url,
        httpx2.AsyncClient(base_url=url, timeout=20, headers={"x-api-key": system.key}) as made,
    ):
        yield made


async def test_what_is_posted_is_read_at_the_same_address(system: System, client: httpx2.AsyncClient) -> None:
    """Points that the Python client posts, compressed, come out in windows."""
    with Telemetry(str(client.base_url), system.key) as telemetry:
        for _ in range(POINTS):
            telemetry.point("origin.load", 1, labels={"what": "a point behind the proxy"})
        assert telemetry.flush(30)

    async def shown() -> bool:
        answer = await client.get("/v1/windows", params={"metric": "origin.load"})
        windows = answer.raise_for_status().json()["windows"]
        return sum(window["count"] for window in windows) == POINTS

    await until(shown, "the points are in windows", 30)


async def test_limits_are_those_of_the_gateway(client: httpx2.AsyncClient) -> None:
    """The largest body comes through; one byte more, and one that is cut off, get the gateway's own answers."""
    largest = json.dumps({"points": [{"name": "wide", "value": 1}]}).encode().ljust(LARGEST_BYTES)
    plain = {"content-type": "application/json"}
    answers = [
        await client.post("/v1/telemetry", content=content, headers=headers)
        for content, headers in (
            (largest, plain),
            (largest + b" ", plain),
            (gzip.compress(largest.strip())[:-9], plain | {"content-encoding": "gzip"}),
        )
    ]

    assert [202, 413, 400] == [answer.status_code for answer in answers]
    assert ["application/problem+json"] * 2 == [answer.headers["content-type"] for answer in answers[1:]]


async def test_a_page_logs_in_at_the_same_address(system: System, client: httpx2.AsyncClient) -> None:
    """Sessions and what the page is made of are the queries'; the cookie of the origin opens them."""
    page = {"sec-fetch-site": "same-origin"}
    async with httpx2.AsyncClient(base_url=client.base_url, timeout=20, headers=page) as browser:
        began = await browser.post("/v1/session", json={"key": system.key})
        read = await browser.get("/v1/metrics")

    assert (200, 200) == (began.status_code, read.status_code)
