"""Sockets that announce a body and say nothing: those that nobody knows, and those of another tenant."""

import asyncio

import httpx2
import pytest

from tests.support.http.bare import head, opened
from tests.support.http.gateway import Gateway, points, refusals

pytestmark = pytest.mark.servers

SOCKETS = 70
"""More than there is room for bodies of 1 MiB."""

CROWD = 300


async def silent(gateway: Gateway, key: bytes) -> asyncio.StreamWriter:
    """A socket that announces the largest body and sends three bytes of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = b"POST /v1/telemetry HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    writer.write(head + (b"x-api-key: %b\r\n" % key if key else b"") + b"content-length: 1048576\r\n\r\nabc")
    await writer.drain()
    return writer


@pytest.mark.parametrize(
    "key", [b"", b"made-up", b"slow"], ids=["no key", "a made-up key", "another tenant's"]
)
async def test_who_says_nothing_disturbs_nobody(gateway: Gateway, key: bytes) -> None:
    """A good tenant is refused nothing meanwhile."""
    sockets = await asyncio.gather(*(silent(gateway, key) for _ in range(SOCKETS)))

    async with httpx2.AsyncClient(base_url=gateway.url, headers={"x-api-key": "write"}) as good:
        answers = [await good.post("/v1/telemetry", json=points([at])) for at in range(20)]

    for writer in sockets:
        writer.close()
    assert set() == refusals(answers)


@pytest.mark.parametrize(
    "begin",
    [b"", b"POST /v1/telemetry HTTP/1.1\r\nx: ", head(key="", length=10_000)],
    ids=["silent", "a head that drips", "a body that drips"],
)
async def test_hundreds_of_sockets_that_come_again_disturb_nobody(gateway: Gateway, begin: bytes) -> None:
    """They are silent or drip, and are opened again when they are closed; a good tenant is refused nothing."""
    over = asyncio.Event()
    closed = 0

    async def again() -> None:
        nonlocal closed
        while not over.is_set():
            one = await opened(gateway.port)
            await one.send(begin)
            ended = asyncio.create_task(one.reader.read())
            while begin and not ended.done() and not over.is_set():
                await one.send(b"f")
                await asyncio.wait({ended}, timeout=0.3)
            await asyncio.wait({ended, asyncio.create_task(over.wait())}, return_when=asyncio.FIRST_COMPLETED)
            closed += ended.done()
            ended.cancel()
            one.close()

    crowd = [asyncio.create_task(again()) for _ in range(CROWD)]

    async with httpx2.AsyncClient(base_url=gateway.url, headers={"x-api-key": "write"}) as good:
        answers = list[httpx2.Response]()
        while closed < 2 * CROWD:
            answers.append(await good.post("/v1/telemetry", json=points([len(answers)])))
    over.set()
    await asyncio.gather(*crowd)

    assert set() == refusals(answers)


async def test_a_page_may_post_and_read_the_answer(gateway: Gateway) -> None:
    """The preflight, the answer and an error, as browsers ask; the queries and unknown paths say nothing of origins."""
    origin = {"origin": "https://shop.example"}
    asked = origin | {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    async with httpx2.AsyncClient() as page:
        preflight = await page.options(f"{gateway.url}/v1/telemetry", headers=asked)
        beacon = await page.options(f"{gateway.url}/api/analytics/events?key=write", headers=asked)
        others = [
            await page.options(f"{gateway.query_url}/v1/windows", headers=asked),
            await page.post(f"{gateway.url}/v1/telemetry/", headers=origin, follow_redirects=False),
        ]
    taken, refused = (
        await gateway.post(points([1]), **origin),
        await gateway.post(points([1]), "none", **origin),
    )

    name = "access-control-allow-origin"
    assert [(204, "*"), (204, "https://shop.example"), (202, "*"), (401, "*")] == [
        (each.status_code, each.headers[name]) for each in (preflight, beacon, taken, refused)
    ]
    assert "x-api-key" == preflight.headers["access-control-allow-headers"]
    assert [(405, False), (404, False)] == [(each.status_code, name in each.headers) for each in others]
