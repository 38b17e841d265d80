"""What every answer of the queries bears: time, an `ETag`, and as few bytes as the client can read."""

import gzip
from email.utils import parsedate_to_datetime
from typing import Any

import cramjam
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.gateway.query.edge import Edge, coding_of
from services.gateway.query.resources.system.performance import Timings
from shared.runtime.clock import now_ms

BODY = b'{"rows":[' + b",".join([b'{"value":1.5}'] * 400) + b"]}"


def app(timings: Timings) -> Edge:
    """An application with a long answer, a short one and one that is streamed."""

    async def long(_: Request) -> Response:
        return Response(BODY, media_type="application/json")

    async def short(_: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    async def streamed(_: Request) -> Response:
        async def parts() -> Any:
            yield BODY
            yield BODY

        return StreamingResponse(parts())

    routes = [Route("/long/{name}", long), Route("/short", short), Route("/streamed", streamed)]
    return Edge(Starlette(routes=routes), timings, 500)


async def get(path: str, **headers: str) -> httpx2.Response:
    """Ask once; headers as they are given alone."""
    transport = httpx2.ASGITransport(app(Timings()))
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        request = client.build_request("GET", path)
        request.headers = httpx2.Headers(given)
        answer = await client.send(request, stream=True)
        answer.raw = b"".join([part async for part in answer.aiter_raw()])  # type: ignore[attr-defined]
        return answer


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        pytest.param("gzip, deflate, br, zstd", "zstd", id="the best that both know"),
        pytest.param("gzip, deflate, br", "br", id="brotli before gzip"),
        pytest.param("gzip;q=0.5, *;q=0", "gzip", id="only gzip"),
        pytest.param("zstd;q=0, gzip", "gzip", id="one that is refused"),
        pytest.param("*", "zstd", id="any"),
        pytest.param("identity", "", id="none"),
        pytest.param("", "", id="nothing said"),
        pytest.param("gzip;q=x", "", id="a weight that is none"),
    ],
)
def test_the_coding_is_the_best_that_the_client_takes(accepted: str, coding: str) -> None:
    """Weights of 0 refuse."""
    assert coding == coding_of(accepted)


@pytest.mark.parametrize(
    ("coding", "plain"),
    [
        ("zstd", lambda body: bytes(cramjam.zstd.decompress(body))),
        ("br", lambda body: bytes(cramjam.brotli.decompress(body))),
        ("gzip", gzip.decompress),
    ],
)
async def test_a_long_answer_is_compressed_and_has_a_tag_of_its_coding(coding: str, plain: Any) -> None:
    """So that no cache mixes two codings up."""
    found = await get("/long/a", accept_encoding=coding)

    assert (coding, BODY) == (found.headers["content-encoding"], plain(found.raw))  # type: ignore[attr-defined]
    assert found.headers["etag"].endswith(f'-{coding}"')


async def test_a_short_answer_is_left_as_it_is() -> None:
    """Below a kilobyte nothing is gained."""
    found = await get("/short", accept_encoding="gzip")

    assert "content-encoding" not in found.headers
    assert {"server-timing", "x-response-time", "x-process-time", "etag"} <= set(found.headers)


async def test_every_answer_says_what_the_time_is() -> None:
    """A browser whose clock is wrong asks and draws by the clock of the gateway."""
    found = [await get(path, accept_encoding="gzip") for path in ("/short", "/long/a", "/streamed")]

    ahead_s = [parsedate_to_datetime(one.headers["date"]).timestamp() - now_ms() / 1000 for one in found]
    assert all(-30 < one <= 0 for one in ahead_s), ahead_s


async def test_who_has_the_answer_gets_304_without_a_body() -> None:
    """The tag stands for the very bytes."""
    first = await get("/long/a", accept_encoding="gzip")

    again = await get("/long/a", accept_encoding="gzip", if_none_match=f'"x", {first.headers["etag"]}')
    other = await get("/long/a", accept_encoding="br", if_none_match=first.headers["etag"])

    assert (304, b"") == (again.status_code, again.raw)  # type: ignore[attr-defined]
    assert 200 == other.status_code


@pytest.mark.parametrize("path", ["/long/a", "/short", "/streamed", "/none"])
async def test_an_answer_varies_with_the_key_and_promises_no_quota(path: str) -> None:
    """A browser that keeps it gives it to nobody with another key. Reads have no quota, so none is told."""
    found = await get(path, accept_encoding="gzip")

    assert "Authorization, Cookie, X-API-Key, Accept-Encoding" == found.headers["vary"]
    assert not [name for name in found.headers if name.startswith("ratelimit")]


async def test_a_streamed_answer_is_passed_on() -> None:
    """With the time to its first byte."""
    found = await get("/streamed", accept_encoding="gzip")

    assert (BODY * 2, False) == (found.raw, "etag" in found.headers)  # type: ignore[attr-defined]


async def test_times_are_counted_by_the_template_of_a_route() -> None:
    """Not by its address, of which there are as many as clients make up."""
    timings = Timings()
    transport = httpx2.ASGITransport(app(timings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        for name in ("a", "b", "c"):
            await client.get(f"/long/{name}")
        await client.get("/nowhere")

    shown = timings.shown()
    assert {"/long/{name}": 3, "(none)": 1} == {
        name: of["total_requests"] for name, of in shown["routes"].items()
    }
    assert 4 == shown["total_requests"]
