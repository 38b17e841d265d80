"""The proxy of docker-compose.yml, as it is, before a gateway of two roles that has no servers.

Which role answers a path shows without them: a request without a key is refused for that alone.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from services.gateway.intake.protocols.registry import PATHS as INTAKE_TEMPLATES
from services.gateway.query.app import PATHS as QUERY_PATHS
from services.gateway.query.resources.alerts.alertmanager.http import PATHS as ALERTMANAGER
from tests.support.http.gateway import Gateway, gateway, status
from tests.support.http.proxy import origin
from tests.support.wait import until

INTAKE_PATHS = [path.replace("{", "").replace("}", "") for path in INTAKE_TEMPLATES]

NOWHERE = ("127.0.0.1:1", "postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1")

UNAUTHORISED = (401, "unauthorised")

REFUSED = {
    ("GET", "/nowhere"): (404, "not_found"),
    ("POST", "/nowhere"): (404, "not_found"),
    ("POST", "/v1/telemetry/"): (404, "not_found"),
    ("GET", "/v1/telemetry"): (405, "method_not_allowed"),
    ("OPTIONS", "/v1/windows"): (405, "method_not_allowed"),
    ("POST", "/v1/windows"): (405, "method_not_allowed"),
    ("GET", "/health/ready"): (404, "not_found"),
}
"""What no role does for a client."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Gateway]:
    """Both roles, started."""
    made = gateway(NOWHERE, "proxy.", tmp_path)
    made.start()
    yield made
    made.remove()


@pytest_asyncio.fixture
async def client(running: Gateway, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Who asks at the origin; both roles live."""
    await live(running)
    async with (
        origin(running.url, running.query_url, tmp_path / "proxy.log") as url,
        httpx2.AsyncClient(base_url=url, timeout=20) as made,
    ):
        yield made


async def live(running: Gateway) -> None:
    """Wait until both roles answer."""

    async def answer() -> bool:
        roles = (running.intake, running.query)
        return {200} == {await status(f"{role.metrics_url}/health/live") for role in roles}

    await until(answer, "both roles answer", 30)


async def refusal(client: httpx2.AsyncClient, method: str, path: str) -> tuple[int, str]:
    """Status and code of the answer to a request without a key."""
    answer = await client.request(method, path)
    return answer.status_code, answer.json()["code"]


async def test_each_path_is_answered_by_the_role_that_has_it(client: httpx2.AsyncClient) -> None:
    """Nothing that is posted or read behind the proxy is answered 421, or 404, in whatever dialect."""
    posted = {path: (await client.post(path)).status_code for path in INTAKE_PATHS}
    ours = [path for path in QUERY_PATHS if path not in ALERTMANAGER]
    read = {path: await refusal(client, "GET", path) for path in ours}
    # A refusal is a text there.
    texts = {path: (await client.get(path)).status_code for path in ALERTMANAGER}

    # 400: a dialect whose key stands in the body says what is wrong with one that is empty.
    assert set(posted.values()) <= {400, 401, 503}, posted
    assert dict.fromkeys(ours, UNAUTHORISED) == read
    assert dict.fromkeys(ALERTMANAGER, 401) == texts


async def test_all_else_is_refused_as_by_one_process(client: httpx2.AsyncClient) -> None:
    """What is nowhere, what a path does not do, and what only operators ask for."""
    found = {request: await refusal(client, *request) for request in REFUSED}

    preflight = await client.options("/v1/events")
    assert (REFUSED, 204, "OPTIONS, POST") == (found, preflight.status_code, preflight.headers["allow"])


async def test_one_role_is_answered_while_the_other_is_away(
    running: Gateway, client: httpx2.AsyncClient
) -> None:
    """502 for what belongs to the one that is gone; when it is back, the same proxy finds it."""
    running.intake.remove()
    gone = (await client.post("/v1/telemetry")).status_code
    read = await refusal(client, "GET", "/v1/alerts")
    running.intake.start()
    await live(running)

    assert (502, UNAUTHORISED) == (gone, read)
    assert UNAUTHORISED == await refusal(client, "POST", "/v1/telemetry")
