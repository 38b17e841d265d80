"""Who is let in before any body is read, and what every answer says to pages of other origins."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.params import Security
from fastapi.routing import APIRoute

from services.gateway.auth.http import api_key_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import SCOPES, Grant
from services.gateway.http.problems import Problem
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.protocols.registry import protocol_routes
from services.gateway.query.page.keys import http as http_keys
from services.gateway.query.page.live import http as http_live
from services.gateway.query.page.session import http as http_session
from services.gateway.query.resources.alerts import http as http_alerts
from services.gateway.query.resources.alerts import wiring as alerts
from services.gateway.query.resources.alerts.notes.http import ACTIONS
from services.gateway.query.resources.batches import http as http_batches
from services.gateway.query.resources.dashboard import http as http_dashboard
from services.gateway.query.resources.funnels import http as http_funnels
from services.gateway.query.resources.ledger import http as http_ledger
from services.gateway.query.resources.windows import http as http_windows
from tests.support.http.intake import ANY, GOOD, FakeGrants, FakeLog, post, route
from tests.support.wait import until

ROOM = ConcurrencyLimits(9, 10**6)
PAGE = (b"origin", b"https://shop.example")


def said(sent: list[dict[str, Any]]) -> tuple[int, str, bytes | None]:
    """Status and code of an answer, and which origin may read it."""
    start, body = sent
    code = json.loads(body["body"]).get("code", "") if body["body"] else ""
    return start["status"], code, dict(start["headers"]).get(b"access-control-allow-origin")


@pytest.mark.parametrize(
    ("log", "grants", "parts", "headers", "expected"),
    [
        pytest.param(FakeLog(), FakeGrants(), [GOOD, b""], [], (202, ""), id="taken"),
        pytest.param(FakeLog(), FakeGrants(), [b"{", b""], [], (400, "malformed_json"), id="no JSON"),
        pytest.param(FakeLog(), FakeGrants(None), [GOOD, b""], [], (401, "unauthorised"), id="unknown key"),
        pytest.param(FakeLog(), FakeGrants(), [GOOD, b""], [(b"x-api-key", b"x")], (400, "two_keys"), id="keys"),
        pytest.param(FakeLog(down="away"), FakeGrants(), [GOOD, b""], [], (503, "unavailable"), id="log away"),
        pytest.param(FakeLog(), FakeGrants(), [GOOD[:3]], [], (408, "body_too_slow"), id="slow"),
        pytest.param(FakeLog(), FakeGrants(), [b" " * 10_001, b""], [], (413, "body_too_large"), id="large"),
        pytest.param(FakeLog(), FakeGrants(Grant(1, "write", 0.001, 0.5)), [GOOD, b""], [], (202, ""), id="once"),
    ],
)  # fmt: skip
async def test_every_answer_may_be_read_by_the_page(
    log: FakeLog,
    grants: FakeGrants,
    parts: Iterable[bytes],
    headers: list[tuple[bytes, bytes]],
    expected: tuple[int, str],
) -> None:
    """Errors too: a client that cannot read an answer sends again what was taken."""
    made, _ = route(log, grants, ROOM)

    assert (*expected, b"*") == said(await post(made, parts, PAGE, *headers))


async def test_a_preflight_costs_no_look_up() -> None:
    """And it is answered while the log and the keys are away."""
    grants = FakeGrants(up=False)
    made, counts = route(FakeLog(down="away"), grants, ROOM)

    sent = await post(made, [b""], PAGE, (b"access-control-request-method", b"POST"), method="OPTIONS")

    assert ((204, "", b"*"), 0, 0) == (said(sent), grants.asked, counts.in_flight.requests)
    assert 1 == [name for name, _ in sent[0]["headers"]].count(b"access-control-allow-origin")
    assert b"content-length" not in dict(sent[0]["headers"])


REFUSED = {
    "a key that nobody has": (None, [], 401),
    "a key that may not": (Grant(1, "read", 1.0, 1.0), [], 403),
    "the key of another page": (Grant(1, "beacon", 1.0, 1.0, 1, frozenset({"https://a"})), [PAGE], 403),
    "an encoding that is not offered": (ANY, [(b"content-encoding", b"br")], 415),
    "too much": (ANY, [(b"content-length", b"10001")], 413),
}
"""Key, headers and status of what is not let in."""


async def test_who_is_not_let_in_holds_nothing() -> None:
    """However it dawdles over its body: no room is taken while it is waited for."""
    made = [route(FakeLog(), FakeGrants(grant), ROOM) for grant, _, _ in REFUSED.values()]
    dawdling = [
        asyncio.create_task(post(each, [GOOD[:1]], *headers))
        for (each, _), (_, headers, _) in zip(made, REFUSED.values(), strict=True)
    ]
    await asyncio.wait(dawdling, timeout=0.02)

    room = [(counts.in_flight.requests, counts.in_flight.bytes) for _, counts in made]
    answers = await asyncio.gather(*dawdling)

    assert [(0, 0)] * len(REFUSED) == room
    assert [status for *_, status in REFUSED.values()] == [sent[0]["status"] for sent in answers]


async def test_a_tenant_that_has_sent_enough_is_refused_before_its_body_is_read() -> None:
    """Its bytes are not waited for, and not decoded."""
    made, counts = route(FakeLog(), FakeGrants(Grant(1, "write", 0.001, 1.0)), ROOM)
    await post(made, [GOOD, b""])

    refused = await post(made, [b"{", b""])

    assert (429, "rate_limited", None) == said(refused)
    assert b'"points";r=0;t=1000' == dict(refused[0]["headers"])[b"ratelimit"]
    assert {202: 1, 429: 1} == counts.counters.requests


async def test_a_tenant_that_holds_its_share_is_told_so() -> None:
    """429 with a code of its own; what it holds is let go with the answer."""
    made, counts = route(FakeLog(), FakeGrants(), ConcurrencyLimits(4, 10**6), idle_s=60.0)
    silent = [asyncio.create_task(post(made, [GOOD[:1]])) for _ in range(3)]

    async def all_are_in() -> bool:
        return counts.in_flight.requests == 3

    await until(all_are_in, "three requests are under way")

    refused = await post(made, [GOOD, b""])

    assert (429, "too_much_at_once", None) == said(refused)
    for each in silent:
        each.cancel()
    await asyncio.wait(silent)
    assert ({"tenant_requests": 1}, 0) == (counts.in_flight.refused, counts.in_flight.bytes)


def routers(key_cache: KeyCache) -> list[APIRouter]:
    """All routes that answer questions; what is behind them is not reached here."""
    nothing: Any = None
    return [
        http_windows.router(key_cache, nothing, nothing), http_funnels.router(key_cache, nothing),
        http_alerts.router(key_cache, nothing, nothing), http_batches.router(key_cache, nothing),
        http_ledger.router(key_cache, nothing), http_dashboard.router(key_cache, nothing, nothing),
        http_dashboard.health_router(key_cache, nothing, {}),
    ]  # fmt: skip


def test_every_route_declares_the_scope_it_asks_for() -> None:
    """Of the queries and of the intake: one that is not declared fails here."""
    declared = {
        route.path: [
            scope for each in route.dependencies if isinstance(each, Security) for scope in each.scopes
        ]
        for router in routers(KeyCache(FakeGrants()))
        for route in router.routes
        if isinstance(route, APIRoute)
    }
    written = {path: route.scope for path, route in protocol_routes(1, 1).items()}

    assert {path: ["read"] for path in declared} == declared
    assert dict.fromkeys(written, "write") == written
    assert len(declared) >= 9


def scopes_of(routers: Iterable[APIRouter]) -> dict[tuple[str, str], list[str]]:
    """The scopes that each route declares."""
    return {
        (method, route.path): [
            scope for each in route.dependencies if isinstance(each, Security) for scope in each.scopes
        ]
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


def test_acting_on_alerts_declares_its_scope() -> None:
    """Who may read sees silences; who is on call makes and ends them, and speaks of episodes."""
    nothing: Any = None
    declared = scopes_of(alerts.routers(KeyCache(FakeGrants()), nothing, nothing))

    assert {
        ("GET", "/v1/silences"): ["read"], ("POST", "/v1/silences"): ["oncall"],
        ("POST", "/v1/silences/preview"): ["oncall"], ("DELETE", "/v1/silences/{silence_id}"): ["oncall"],
        **{("POST", f"/v1/alerts/{{alert_id}}/{action}"): ["oncall"] for action in ACTIONS},
        ("GET", "/api/v2/silences"): ["read"], ("POST", "/api/v2/silences"): ["oncall"],
        ("DELETE", "/api/v2/silence/{silence_id}"): ["oncall"],
    } == {
        route: scopes for route, scopes in declared.items() if route[0] != "GET" or "silences" in route[1]
    }  # fmt: skip


def test_what_the_page_asks_declares_its_scope() -> None:
    """Keys are an admin's; logging in and out needs no key, and who has logged in is told to who may read."""
    nothing: Any = None
    known = KeyCache(FakeGrants())
    page = [
        http_live.router(known, nothing, nothing), http_keys.router(known, nothing),
        http_session.router(http_session.LogIn(known, nothing, nothing, nothing, nothing)),
    ]  # fmt: skip
    declared = scopes_of(page)

    assert {
        ("GET", "/v1/live"): ["read"], ("GET", "/v1/session"): ["read"], ("POST", "/v1/session"): [],
        ("DELETE", "/v1/session"): [], ("GET", "/v1/keys"): ["admin"], ("POST", "/v1/keys"): ["admin"],
        ("POST", "/v1/keys/{key_id}/rotate"): ["admin"], ("DELETE", "/v1/keys/{key_id}"): ["admin"],
    } == declared  # fmt: skip


@pytest.mark.parametrize("asked", SCOPES)
@pytest.mark.parametrize("scope", ["write", "beacon", "read", "oncall", "admin"])
async def test_a_key_grants_what_its_scope_says(asked: str, scope: str) -> None:
    """Writing to those who write, reading to those who read, alerts to those on call, and everything to admin."""
    granted = {
        "write": {"write"}, "beacon": {"write"}, "read": {"read"}, "oncall": {"read", "oncall"},
        "admin": {"write", "read", "oncall", "admin"},
    }  # fmt: skip
    key_cache = KeyCache(FakeGrants(Grant(1, scope, 1.0, 1.0)))

    if asked in granted[scope]:
        assert scope == (await api_key_of(key_cache, b"k", asked)).grant.scope
        return
    with pytest.raises(Problem) as refusal:
        await api_key_of(key_cache, b"k", asked)
    assert (403, "forbidden") == (refusal.value.status, refusal.value.code)


async def test_a_thousand_wrong_keys_of_one_address_are_told_to_wait() -> None:
    """429 after some; a known key of the same address is good all the while."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    await api_key_of(key_cache, b"good", "write", "a")
    grants.grant = None
    codes = []
    for at in range(1000):
        with pytest.raises(Problem) as refusal:
            await api_key_of(key_cache, b"%d" % at, "write", "a")
        codes.append(refusal.value.code)

    assert (20, 980) == (codes.count("unauthorised"), codes.count("too_many_unknown_keys"))
    assert 1 == (await api_key_of(key_cache, b"good", "write", "a")).grant.tenant_id
