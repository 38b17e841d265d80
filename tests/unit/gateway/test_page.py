"""The files of the page as a browser gets them: which name gives what, how long it is kept, what the page may do."""

import gzip
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from services.gateway.page import POLICY, Page

BUILD = "c0ffee"
FILES = {
    "index.html": b"<!doctype html><title>Tidegauge</title>",
    "assets/index-a1b2.js": b"export {}\n" * 50,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build of the page."""
    made = tmp_path / "ui"
    for name, body in FILES.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(body, mtime=0))
    (made / ".source").write_text(BUILD)
    return made


def client(folder: Path) -> httpx2.AsyncClient:
    """What asks an application that has the page before it."""
    api = Starlette(routes=[Route("/v1/metrics", lambda _: PlainTextResponse("metrics"))])
    transport = httpx2.ASGITransport(Page(api, folder))
    return httpx2.AsyncClient(
        transport=transport, base_url="http://page", headers={"Accept-Encoding": "gzip"}
    )


@pytest.mark.parametrize(
    ("path", "status", "body", "kept"),
    [
        pytest.param("/ui/", 200, FILES["index.html"], "no-cache", id="the page"),
        pytest.param("/ui", 200, FILES["index.html"], "no-cache", id="without a slash"),
        pytest.param("/ui/latency?from=now-6h", 200, FILES["index.html"], "no-cache", id="a page of it"),
        pytest.param("/ui/alerts/../x", 200, FILES["index.html"], "no-cache", id="dots in a path"),
        pytest.param("/ui/%00", 200, FILES["index.html"], "no-cache", id="a zero in a path"),
        pytest.param("/ui/.source", 200, BUILD.encode(), "no-cache", id="which build"),
        pytest.param(
            "/ui/assets/index-a1b2.js", 200, FILES["assets/index-a1b2.js"],
            "public, max-age=31536000, immutable", id="a hashed name",
        ),
        pytest.param("/v1/metrics", 200, b"metrics", None, id="another route"),
    ],
)  # fmt: skip
async def test_a_path_gives_its_file(
    folder: Path, path: str, status: int, body: bytes, kept: str | None
) -> None:
    """Hashed names are kept for ever and the page is asked for each time; an address within it gives the page."""
    async with client(folder) as asked:
        answer = await asked.get(path)

    found = (
        answer.status_code,
        answer.content,
        answer.headers.get("cache-control"),
        answer.headers["tidegauge-build"],
    )
    assert found == (status, body, kept, BUILD)


async def test_the_page_may_load_its_own_files_alone(folder: Path) -> None:
    """No script, style or request of another origin, no frame around it, and no string becomes a script."""
    async with client(folder) as asked:
        answer = await asked.get("/ui/overview")

    assert {
        name: answer.headers[name]
        for name in (
            "content-security-policy", "x-content-type-options", "referrer-policy",
            "cross-origin-opener-policy", "cross-origin-resource-policy",
        )
    } == {
        "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
    }  # fmt: skip
    assert "require-trusted-types-for 'script'" in POLICY
    assert "unsafe" not in POLICY
    assert "access-control-allow-origin" not in answer.headers


async def test_who_has_the_page_already_gets_304(folder: Path) -> None:
    """The ETag follows from the bytes, so that two processes of one build agree on it."""
    async with client(folder) as asked:
        first = await asked.get("/ui/")
        again = await asked.get("/ui/funnels", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


async def test_compressed_files_are_those_of_the_build(folder: Path) -> None:
    """The sibling that the build made is sent, and nothing is compressed for a request."""
    path = folder / "assets/index-a1b2.js.gz"
    async with client(folder) as asked, asked.stream("GET", "/ui/assets/index-a1b2.js") as answer:
        sent = b"".join([part async for part in answer.aiter_raw()])

    assert (answer.headers["content-encoding"], sent) == ("gzip", path.read_bytes())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/ui/assets/index-gone.js", 404, "not_found", id="a file of another build"),
        pytest.param("GET", "/ui/assets/%2e%2e/%2e%2e/settings.py", 404, "not_found", id="out of the folder"),
    ],
)
async def test_what_is_not_there_is_refused(
    folder: Path, method: str, path: str, status: int, code: str
) -> None:
    """A refusal is a problem like all others."""
    async with client(folder) as asked:
        answer = await asked.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_nobody_posts_to_a_file(folder: Path) -> None:
    """Files are read."""
    async with client(folder) as asked:
        answer = await asked.post("/ui/overview")

    assert answer.status_code == 405


async def test_the_root_leads_to_the_page(folder: Path) -> None:
    """Who types the name of the machine alone sees the page."""
    async with client(folder) as asked:
        answer = await asked.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/")


async def test_without_a_build_the_rest_works(tmp_path: Path) -> None:
    """A clone that has not run `make ui` answers all but the page, and says what to do."""
    async with client(tmp_path / "none") as asked:
        page, rest = await asked.get("/ui/"), await asked.get("/v1/metrics")

    assert (page.status_code, page.json()["code"]) == (404, "no_page")
    assert (rest.status_code, rest.text, "tidegauge-build" in rest.headers) == (200, "metrics", False)
