"""What a gateway says of the routes of the other role, and how its settings name the two."""

import re

import httpx2
import pytest

from services.gateway.http import misdirected
from services.gateway.http.openapi import framework
from services.gateway.intake.protocols.registry import PATHS as INTAKE
from services.gateway.query.app import PATHS as QUERY
from services.gateway.settings import Settings
from shared.errors import Misconfigured
from shared.runtime import settings

READS = [
    path.replace("{name}", "f")
    .replace("{label}", "l")
    .replace("{fingerprint}", "x")
    .replace("{alert_id}", "x")
    .replace("{silence_id}", "x")
    .replace("{id:path}", "a%2Fb/c")
    for path in QUERY
]
"""An address of each route of the queries."""

POSTS = [re.sub("{[a-z_]+}", "x", path) for path in INTAKE]
"""An address of each route of the intake."""


def client(other: str, base_url: str) -> httpx2.AsyncClient:
    """Asks a gateway that has no routes but those of the other role."""
    rest = framework("t")
    paths, methods = (QUERY, ["GET"]) if other == "query" else (INTAKE, ["POST"])
    rest.router.routes.extend(misdirected.routes(paths, methods, other, base_url))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(rest), base_url="http://gateway")


@pytest.mark.parametrize("path", READS)
async def test_an_intake_names_the_address_to_ask(path: str) -> None:
    """421 with path and query as they came, and no redirect; HEAD is answered likewise."""
    query = "?metric=a+b&label=host%3Dx&label=zone%3Dy"
    async with client("query", "https://look.here/") as asking:
        answer, head = await asking.get(path + query), await asking.head(path)

    assert (421, "application/problem+json", False) == (
        answer.status_code, answer.headers["content-type"], "location" in answer.headers,
    )  # fmt: skip
    said = {
        "code": "misdirected",
        "message": "this process does not answer here, a gateway of role query does; "
        f"ask https://look.here{path}{query}",
        "ask": f"https://look.here{path}{query}",
    }
    assert said.items() <= answer.json().items()
    assert (421, b"") == (head.status_code, head.content)


@pytest.mark.parametrize("path", POSTS)
async def test_a_query_process_names_the_address_to_post_to(path: str) -> None:
    """421, whatever the body; a key in the query is not repeated."""
    async with client("intake", "https://post.here") as posting:
        answers = [
            await posting.post(path + query, content=b"\x00")
            for query in ("", "?key=secret", "?%6bey=secret&a=1&sentry_key=secret")
        ]

    assert [(421, "misdirected")] * 3 == [(one.status_code, one.json()["code"]) for one in answers]
    assert ["", "", "?a=1"] == [one.json()["ask"].removeprefix(f"https://post.here{path}") for one in answers]


async def test_without_an_address_none_is_named() -> None:
    """The answer says which role it is."""
    async with client("query", "") as asking:
        answer = await asking.get("/v1/windows?metric=a")

    said = answer.json()
    assert (421, "misdirected", "this process does not answer here, a gateway of role query does", False) == (
        answer.status_code, said["code"], said["message"], "ask" in said,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("other", "method", "path", "status"),
    [
        pytest.param("query", "POST", "/v1/windows", 405, id="a post to a question"),
        pytest.param("query", "OPTIONS", "/v1/windows", 405, id="a preflight"),
        pytest.param("query", "GET", "/v1/windows/", 404, id="a slash too many"),
        pytest.param("query", "GET", "/v2/windows", 404, id="an unknown path"),
        pytest.param("intake", "GET", "/v1/telemetry", 405, id="a question where points are posted"),
        pytest.param("intake", "POST", "/v1/traces/x", 404, id="a post to an unknown path"),
    ],
)
async def test_nothing_else_is_misdirected(other: str, method: str, path: str, status: int) -> None:
    """Other methods are not allowed, other paths are unknown."""
    async with client(other, "https://else.where") as asking:
        answer = await asking.request(method, path)

    assert status == answer.status_code
    assert answer.json()["code"] in {"not_found", "method_not_allowed"}


SERVERS = {"TIDEGAUGE_KAFKA": "k", "TIDEGAUGE_POSTGRES": "p", "TIDEGAUGE_REDIS": "r"}


@pytest.mark.parametrize(("environ", "role"), [({}, "intake"), ({"GATEWAY_ROLE": "query"}, "query")])
def test_a_gateway_is_an_intake_unless_told_otherwise(environ: dict[str, str], role: str) -> None:
    """The role is a setting."""
    assert role == settings.load(Settings, "GATEWAY", SERVERS | environ).role


def test_an_unknown_role_is_refused_by_name() -> None:
    """With the variable that is wrong."""
    with pytest.raises(Misconfigured, match="GATEWAY_ROLE: "):
        settings.load(Settings, "GATEWAY", SERVERS | {"GATEWAY_ROLE": "both"})
