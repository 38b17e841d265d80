"""Sessions of the page: what a cookie stands for, where it counts, and what ends it."""

from typing import Any

import pytest

from services.gateway.auth.http import bearer_of, session_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.auth.session import COOKIE, LIFE_MS, Sessions, check_keeps_cookies, set_cookie
from services.gateway.http.problems import Problem
from shared.access.signed import Signer
from tests.support.http.intake import FakeGrants

HOST = (b"host", b"127.0.0.1:8081")
JSON = (b"content-type", b"application/json")
SAME = (b"sec-fetch-site", b"same-origin")
HASH = b"h" * 32


async def secret() -> bytes:
    """That of an installation."""
    return b"s" * 32


def sessions(now_ms: int = 1_000) -> Sessions:
    """Sessions at a time."""
    return Sessions(secret, lambda: now_ms)


async def cookie(of: Sessions) -> tuple[bytes, bytes]:
    """The header of a browser that has logged in, among cookies of others."""
    _, value = await of.begin(HASH)
    return b"cookie", f'odd[]="x; other=1; {COOKIE}={value}; last=2'.encode()


def asked(*headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    """A request."""
    return {"method": method, "headers": [HOST, *headers], "client": ("127.0.0.1", 1)}


async def test_a_cookie_stands_for_its_key() -> None:
    """What the key grants, it grants."""
    known = KeyCache(FakeGrants(Grant(7, "admin", 1.0, 1.0)), sessions=sessions())

    found = await bearer_of(known, asked(await cookie(sessions())), "admin")

    assert (7, "admin") == (found.grant.tenant_id, found.grant.scope)


async def test_a_session_ends_with_its_key() -> None:
    """As soon as the key cache hears of it."""
    grants = FakeGrants(Grant(7, "read", 1.0, 1.0))
    known = KeyCache(grants, sessions=sessions())
    bears = await cookie(sessions())
    await bearer_of(known, asked(bears), "read")

    grants.grant = None
    known.forget(HASH)

    with pytest.raises(Problem) as refusal:
        await bearer_of(known, asked(bears), "read")
    assert (401, "unauthorised") == (refusal.value.status, refusal.value.code)


@pytest.mark.parametrize(
    ("scope", "wanted"), [("write", "read"), ("beacon", "read"), ("read", "admin")], ids=str
)
async def test_a_session_grants_no_more_than_its_key(scope: str, wanted: str) -> None:
    """A key that may only write reads nothing, by cookie either."""
    known = KeyCache(FakeGrants(Grant(7, scope, 1.0, 1.0)), sessions=sessions())

    with pytest.raises(Problem) as refusal:
        await bearer_of(known, asked(await cookie(sessions())), wanted)
    assert (403, "forbidden") == (refusal.value.status, refusal.value.code)


async def test_the_half_without_sessions_knows_no_cookie() -> None:
    """The intake takes keys alone."""
    known = KeyCache(FakeGrants(Grant(7, "admin", 1.0, 1.0)))
    bears = await cookie(sessions())

    assert None is await session_of(known, [bears])
    with pytest.raises(Problem) as refusal:
        await bearer_of(known, asked(bears), "read")
    assert 401 == refusal.value.status


@pytest.mark.parametrize("spoil", ["late", "changed", "other purpose", "other secret", "no text"])
async def test_what_was_not_signed_or_is_over_is_no_session(spoil: str) -> None:
    """A cookie is good for 12 hours, as it was made."""
    name, value = await cookie(sessions())
    good = sessions(1_000 + LIFE_MS - 1)
    made = {
        "late": (name, value),
        "changed": (name, value[:-9] + (b"A" if value[-9:-8] != b"A" else b"B") + value[-8:]),
        "other purpose": (name, f"{COOKIE}={Signer(b's' * 32, 'login').sign(HASH)}".encode()),
        "other secret": (name, f"{COOKIE}={Signer(b't' * 32, 'session').sign(HASH)}".encode()),
        "no text": (name, f"{COOKIE}=\xe4==; {COOKIE}=; {COOKIE}=%%".encode()),
    }[spoil]
    asked_at = sessions(1_000 + LIFE_MS) if spoil == "late" else good
    if spoil == "changed":
        made = (name, value.replace(COOKIE.encode() + b"=", COOKIE.encode() + b"=B"))

    assert (HASH, 1_000 + LIFE_MS) == await good.of([(name, value)])
    assert None is await asked_at.of([made])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param([SAME, JSON], 0, id="our page"),
        pytest.param([JSON], 0, id="no browser"),
        pytest.param([JSON, (b"origin", b"http://127.0.0.1:8081")], 0, id="an older browser, our page"),
        pytest.param([JSON, (b"origin", b"http://evil.example")], 403, id="an older browser, another page"),
        pytest.param([JSON, (b"origin", b"http://[")], 403, id="an origin that is none"),
        pytest.param([JSON, (b"sec-fetch-site", b"same-site")], 403, id="another port"),
        pytest.param([JSON, (b"sec-fetch-site", b"none")], 403, id="typed by hand"),
        pytest.param([SAME], 415, id="no type"),
        pytest.param([SAME, (b"content-type", b"text/plain")], 415, id="a form"),
    ],
)
async def test_only_our_page_changes_something_by_cookie(
    headers: list[tuple[bytes, bytes]], status: int
) -> None:
    """A key in a header needs nothing of it."""
    known = KeyCache(FakeGrants(Grant(7, "admin", 1.0, 1.0)), sessions=sessions())
    bears = await cookie(sessions())
    found = 0
    try:
        await bearer_of(known, asked(bears, *headers, method="POST"), "admin")
    except Problem as problem:
        found = problem.status

    assert status == found
    assert 7 == (await bearer_of(known, asked((b"x-api-key", b"k"), method="POST"), "read")).grant.tenant_id


@pytest.mark.parametrize(
    ("host", "secure"),
    [(b"localhost:8081", False), (b"[::1]:8081", False), (b"shop.example", True), (b"[", True)],
    ids=str,
)
def test_a_cookie_travels_by_tls_but_on_this_machine(host: bytes, secure: bool) -> None:
    """No script reads it, and no other site has it sent."""
    made = set_cookie([(b"host", host)], "v")

    assert made.startswith(f"{COOKIE}=v; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict")
    assert secure is made.endswith("; Secure")


def test_a_page_over_plain_http_from_elsewhere_is_told_so() -> None:
    """Its browser would throw the cookie away without a word."""
    check_keeps_cookies([(b"origin", b"http://localhost:8081")])
    check_keeps_cookies([(b"origin", b"https://shop.example")])
    with pytest.raises(Problem) as refusal:
        check_keeps_cookies([(b"origin", b"http://shop.example:8080")])
    assert (403, "needs_https") == (refusal.value.status, refusal.value.code)
