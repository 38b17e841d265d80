"""The documentation page: all that it loads comes from the gateway itself."""

import re

import httpx2
import pytest

from services.gateway.http.openapi import framework
from services.gateway.intake.adapters import openapi


@pytest.fixture
def client() -> httpx2.AsyncClient:
    """Asks the framework without a server."""
    rest = framework("t")
    openapi.document(rest)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(rest), base_url="http://gateway")


async def test_the_page_loads_files_of_the_gateway_alone(client: httpx2.AsyncClient) -> None:
    """No address on the page names a host, and each leads to a file of its kind."""
    page = (await client.get("/docs")).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    answers = [await client.get(address) for address in loaded]

    assert "://" not in page
    assert [200] * 3 == [answer.status_code for answer in answers]
    assert {"text/css", "image/png", "text/javascript"} == {
        answer.headers["content-type"].partition(";")[0] for answer in answers
    }
    assert b"SwaggerUIBundle" in answers[-1].content


async def test_the_page_shows_the_contract(client: httpx2.AsyncClient) -> None:
    """It names the address at which the contract is, and the root leads to it."""
    page = await client.get("/", follow_redirects=True)
    (address,) = re.findall(r"url: '([^']+)'", page.text)
    contract = (await client.get(address)).json()

    assert "/v1/telemetry" in contract["paths"]
    assert [] == [path for path in contract["paths"] if path.startswith("/docs")]


async def test_nothing_else_of_the_package_is_served(client: httpx2.AsyncClient) -> None:
    """Its sample page, which loads a contract from another host, is not there."""
    assert [404, 404] == [
        (await client.get(path)).status_code for path in ("/docs/index.html", "/docs/..%2f__init__.py")
    ]


async def test_the_contract_names_each_part_of_a_path_that_varies(client: httpx2.AsyncClient) -> None:
    """Else no tool can read it."""
    contract = (await client.get("/openapi.json")).json()

    wanted = {path: re.findall(r"\{(\w+)\}", path) for path in contract["paths"]}
    found = {
        path: [each["name"] for each in operations["post"].get("parameters", []) if each["in"] == "path"]
        for path, operations in contract["paths"].items()
        if "post" in operations
    }
    assert {path: wanted[path] for path in found} == found
