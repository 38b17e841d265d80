"""Sessions at a running query process: logging in by key and by link, what the cookie opens, and what ends it."""

import re
import secrets
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from services.gateway.query import app
from tests.support.http.gateway import Gateway, points
from tests.support.http.reader import Reader
from tests.support.wait import until

pytestmark = pytest.mark.servers

PAGE = {"sec-fetch-site": "same-origin"}
READS = [re.sub("{[a-z_]+(:path)?}", "x", path) for path in app.PATHS]
STREAMS, ADMINS = {"/v1/live"}, {"/v1/keys"}

_EVENT = "INSERT INTO event VALUES (now(), now(), $1, $2, 'click', 'n', 's', 'u', '{}')"


@pytest_asyncio.fixture
async def browser(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that has our page open."""
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20, headers=PAGE) as client:
        yield client


async def log_in(browser: httpx2.AsyncClient, **by: str) -> httpx2.Response:
    """Log in by key or link."""
    return await browser.post("/v1/session", json=by)


async def test_every_read_route_takes_the_cookie_as_the_key(
    browser: httpx2.AsyncClient, mine: Reader
) -> None:
    """The same status and, where nothing moves, the same bytes; without either it is 401."""
    logged_in = await log_in(browser, key=mine.key)
    by_cookie = {path: await browser.get(path) for path in READS if path not in STREAMS}
    by_key = {path: await mine.ask(path) for path in by_cookie}
    async with httpx2.AsyncClient(base_url=mine.url, timeout=20) as nobody:
        refused = {path: (await nobody.get(path)).status_code for path in READS}

    assert 200 == logged_in.status_code
    assert {path: answer.status_code for path, answer in by_key.items()} == {
        path: answer.status_code for path, answer in by_cookie.items()
    }
    assert dict.fromkeys(READS, 401) == refused
    assert dict.fromkeys(ADMINS, 403) == {
        path: answer.status_code for path, answer in by_cookie.items() if answer.status_code in {401, 403}
    }


async def test_a_session_sees_its_tenant_alone(
    browser: httpx2.AsyncClient, mine: Reader, foreign: Reader
) -> None:
    """What another tenant has stored is not there by cookie either."""
    for reader in (mine, foreign):
        await reader.write(_EVENT, (reader.tenant_id, f"of {reader.tenant_id}"))
    await log_in(browser, key=mine.key)

    seen = (await browser.get("/v1/events?type=click")).text

    assert (True, False) == (f"of {mine.tenant_id}" in seen, f"of {foreign.tenant_id}" in seen)


async def test_a_session_says_whose_it_is_until_it_is_ended(
    browser: httpx2.AsyncClient, mine: Reader
) -> None:
    """The cookie is for this origin, for no script, and goes with the log-out."""
    began = await log_in(browser, key=mine.key)
    current = await browser.get("/v1/session")
    ended = await browser.delete("/v1/session")
    after = await browser.get("/v1/session")

    assert began.json() == current.json()
    assert {"tenant": mine.key, "scope": "read", "key": ""}.items() <= began.json().items()
    assert re.fullmatch(
        r"tidegauge_session=[\w-]+; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict",
        began.headers["set-cookie"],
    )
    assert "no-store" == current.headers["cache-control"]
    assert (204, 401) == (ended.status_code, after.status_code)
    assert {"expires_ms": None}.items() <= (await mine.ask("/v1/session")).json().items()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"key": "write"}, 403, "forbidden", id="a key that only writes"),
        pytest.param({"key": "revoked"}, 401, "unauthorised", id="a revoked key"),
        pytest.param({"once": "x"}, 401, "link_used", id="a link that nobody made"),
        pytest.param({}, 400, "invalid_session", id="nothing"),
        pytest.param({"key": "read", "once": "x"}, 400, "invalid_session", id="both"),
        pytest.param({"key": 7}, 400, "invalid_request", id="another type"),
        pytest.param({"token": "x"}, 400, "invalid_request", id="another field"),
        pytest.param({"key": "k" * 10_000}, 400, "invalid_request", id="10 kB"),
        pytest.param({"key": "k" * 20_000}, 413, "body_too_large", id="20 kB"),
    ],
)
async def test_who_cannot_log_in_is_told_why(
    browser: httpx2.AsyncClient, body: dict[str, str], status: int, code: str
) -> None:
    """And gets no cookie."""
    answer = await log_in(browser, **body)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "set-cookie" not in answer.headers


async def test_other_pages_cannot_log_in_or_out(browser: httpx2.AsyncClient) -> None:
    """Nor can a page whose browser would throw the cookie away."""
    other = {"sec-fetch-site": "cross-site"}
    plain = {"origin": "http://shop.example", "host": "shop.example"}
    answers = [
        await browser.post("/v1/session", json={"key": "read"}, headers=other),
        await browser.delete("/v1/session", headers=other),
        await browser.post("/v1/session", json={"key": "read"}, headers=plain),
        await browser.post("/v1/session", content=b'{"key":"read"}'),
    ]

    assert [
        (403, "cross_site"),
        (403, "cross_site"),
        (403, "needs_https"),
        (415, "unsupported_media_type"),
    ] == [(answer.status_code, answer.json()["code"]) for answer in answers]


async def test_the_intake_takes_no_cookie(
    browser: httpx2.AsyncClient, gateway: Gateway, stack: Stack
) -> None:
    """Though its key may write."""
    key = api_keys.new_key("admin")
    await api_keys.create(stack.postgres, f"session-{secrets.token_hex(4)}", key, "admin")
    await log_in(browser, key=key)
    cookie = f"tidegauge_session={browser.cookies['tidegauge_session']}"

    assert 401 == (await gateway.post(points([1]), None, cookie=cookie)).status_code
    assert 202 == (await gateway.post(points([1]), key)).status_code
    assert 200 == (await browser.delete("/v1/cache")).status_code


async def test_a_link_logs_in_once_and_its_key_ends_the_session(
    browser: httpx2.AsyncClient, stack: Stack
) -> None:
    """As `tidegauge login` prints it; a key that only writes has none."""
    key = api_keys.new_key("read")
    await api_keys.create(stack.postgres, f"session-{secrets.token_hex(4)}", key, "read")
    link = await api_keys.login_link(stack.postgres, stack.redis, str(browser.base_url), key[:9])
    token = link.partition("/ui/login?once=")[2]

    first, second = await log_in(browser, once=token), await log_in(browser, once=token)
    assert (200, key[:9]) == (first.status_code, first.json()["key"])
    assert (401, "link_used") == (second.status_code, second.json()["code"])
    assert 200 == (await browser.get("/v1/metrics")).status_code

    await api_keys.revoke(stack.postgres, key)

    async def ended() -> bool:
        return (await browser.get("/v1/metrics")).status_code == 401

    await until(ended, "the session has ended with its key", 10)
