"""An export that is cut half-way: whoever fetches it notices, however it is cut."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import httpx2
import pytest

from deploy.local.stack import Stack
from tests.support.exporting import rows
from tests.support.exporting.clients import CLIENTS, Client, Fetch, missing
from tests.support.exporting.gate import gate
from tests.support.http.gateway import Gateway
from tests.support.http.proxy import origin
from tests.support.http.reader import Reader, reader
from tests.support.wait import settled

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

HELD_AFTER = 1 << 20
"""Bytes that come before the cut."""

_SERIES = """
INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels)
SELECT $1::bigint * 100000 + n, $1, 'm', 'gauge', '', jsonb_build_object('host', 'host-' || n)
FROM generate_series(0, 499) AS n
"""
_WINDOWS = """
INSERT INTO rollup_1m (window_start, series_id, revision, late_count, count, samples, sum, min, max, last, watermark,
    sketch_bucket, sketch_weight)
SELECT date_trunc('day', now()) - make_interval(mins => minute), series_id, 0, 0, 1, 1, random(), random(), random(),
    random(), now(), '{}', '{}'
FROM series, generate_series(1, 600) AS minute WHERE tenant_id = $1
"""
"""300,000 rows: more than all buffers hold, in whatever format."""

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND state = 'active'"


@pytest.fixture(scope="module")
def much(stack: Stack, steady: Gateway) -> Reader:
    """A tenant with many rows."""

    async def filled() -> Reader:
        made = await reader(stack.postgres, steady)
        await made.write(_SERIES, (made.tenant_id,))
        await made.write(_WINDOWS, (made.tenant_id,))
        return made

    return asyncio.run(filled())


async def terminate(postgres: str) -> None:
    """End what reads the rows."""
    conn = await asyncpg.connect(postgres)
    try:
        for pid in [row[0] for row in await conn.fetch(_BACKENDS)]:
            await conn.execute("SELECT pg_terminate_backend($1)", pid)
    finally:
        await conn.close()


async def cut(
    client: Client, asked: Fetch, target: str, how: Callable[[], Awaitable[object]]
) -> BaseException | None:
    """What the client says of an export that is cut by `how` half-way."""
    async with gate(target, HELD_AFTER) as between:
        fetching = asyncio.create_task(client(Fetch(between.url, asked.key, asked.form, asked.folder)))
        waiting = asyncio.create_task(between.reached.wait())
        await asyncio.wait({fetching, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert not fetching.done(), fetching.exception() or "it came whole"
        await how()
        between.open.set()
        (said,) = await asyncio.gather(fetching, return_exceptions=True)
        return said


@pytest.fixture
async def little(stack: Stack, mine: Reader) -> Reader:
    """A tenant with a few rows."""
    await rows.write(stack.postgres, mine.tenant_id, 60)
    return mine


def folder(within: Path, name: str) -> Path:
    """A new folder."""
    made = within / name
    made.mkdir()
    return made


def left_in(where: Path) -> list[str]:
    """What a client has left."""
    return [path.name for path in where.iterdir()]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """Each client that can be run here."""
    if program := missing(request.param):
        pytest.skip(f"{program} is not installed")
    return str(request.param)


async def test_a_client_notices_a_cut_and_takes_a_whole_file(
    stack: Stack, little: Reader, much: Reader, client: str, tmp_path: Path
) -> None:
    """The backend that reads the rows is ended half-way: an error. A small export, whole: none."""
    form, fetch = CLIENTS[client]
    large = folder(tmp_path, "large")
    await fetch(Fetch(little.url, little.key, form, folder(tmp_path, "small")))
    said = await cut(fetch, Fetch("", much.key, form, large), much.url, lambda: terminate(stack.postgres))

    assert said is not None, "it was taken for a whole file"
    assert not (client.startswith("tidegauge") and left_in(large))


async def backends(postgres: str) -> int:
    """How many statements read rows for exports."""
    conn = await asyncpg.connect(postgres)
    try:
        return len(await conn.fetch(_BACKENDS))
    finally:
        await conn.close()


async def stated(of: Reader, name: str) -> tuple[str, str | None]:
    """How an export stands, and why it failed."""
    found = (await of.ask(f"/v1/exports/{name}")).json()
    return found["state"], found["code"]


@pytest.mark.parametrize("client", ["httpx, in parts", "curl", "tidegauge export, columns"])
async def test_a_client_notices_that_the_process_was_killed(
    stack: Stack, leaving: Gateway, much: Reader, client: str, tmp_path: Path
) -> None:
    """With -9, half-way; Postgres ends what nobody reads any more."""
    if program := missing(client):
        pytest.skip(f"{program} is not installed")
    form, fetch = CLIENTS[client]
    asked = Fetch("", much.key, form, tmp_path)

    async def kill() -> None:
        leaving.query.remove()

    said = await cut(fetch, asked, leaving.query_url, kill)

    assert said is not None
    assert [] == [left for left in left_in(tmp_path) if client.startswith("tidegauge")]
    assert 0 == await settled(lambda: backends(stack.postgres), 0)


async def test_a_client_notices_a_cut_behind_the_proxy(stack: Stack, much: Reader, tmp_path: Path) -> None:
    """The proxy of docker-compose.yml passes on that an answer has no end."""
    form, fetch = CLIENTS["httpx, in parts"]
    async with origin(much.url, much.url, tmp_path / "proxy.log") as address:
        asked = Fetch("", much.key, form, tmp_path)
        said = await cut(fetch, asked, address, lambda: terminate(stack.postgres))

    assert said is not None


async def test_a_client_that_stops_reading_holds_nothing(stack: Stack, much: Reader) -> None:
    """It is cut off after `GATEWAY_UNREAD_MS`; the snapshot ends with it, and the export has failed."""
    async with gate(much.url, HELD_AFTER) as between, httpx2.AsyncClient(timeout=60) as client:
        asked = Fetch(between.url, much.key, "csv", Path())
        async with client.stream("POST", asked.address, json=asked.body, headers=asked.headers) as answer:
            name = answer.headers["tidegauge-export"]
            before = await stated(much, name)
            after = await settled(lambda: stated(much, name), ("failed", "client_left"))
            left = await settled(lambda: backends(stack.postgres), 0)

    assert (("running", None), ("failed", "client_left"), 0) == (before, after, left)


async def test_a_client_that_leaves_ends_the_export(stack: Stack, much: Reader) -> None:
    """Nobody reads rows for somebody who is gone."""
    asked = Fetch(much.url, much.key, "parquet", Path())
    async with (
        httpx2.AsyncClient(timeout=60) as client,
        client.stream("POST", asked.address, json=asked.body, headers=asked.headers) as answer,
    ):
        name = answer.headers["tidegauge-export"]

    assert ("failed", "client_left") == await settled(lambda: stated(much, name), ("failed", "client_left"))
    assert 0 == await settled(lambda: backends(stack.postgres), 0)


async def test_a_tenant_has_two_exports_under_way(mine: Reader, much: Reader) -> None:
    """A third is told to come again; another tenant's begins."""
    asked = Fetch(much.url, much.key, "csv", Path())
    async with (
        gate(much.url, HELD_AFTER) as between,
        httpx2.AsyncClient(timeout=60) as client,
        AsyncExitStack() as open_,
    ):
        for _ in range(2):
            stream = client.stream(
                "POST", f"{between.url}/v1/exports", json=asked.body, headers=asked.headers
            )
            await open_.enter_async_context(stream)
        third = await client.post(asked.address, json=asked.body, headers=asked.headers)
        other = await client.post(
            asked.address, json=asked.body, headers=asked.headers | {"x-api-key": mine.key}
        )

    assert (429, "too_many_exports", "10") == (
        third.status_code,
        third.json()["code"],
        third.headers["retry-after"],
    )
    assert 200 == other.status_code
