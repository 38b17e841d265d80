"""What pages of other origins may send and read."""

import pytest

from services.gateway.auth.ports import Grant
from services.gateway.intake.adapters.http_cors import EXPOSED, Crossing
from services.gateway.intake.adapters.http_headers import rate_limit_headers
from services.gateway.intake.domain.tenant_limits import Allowance

ORIGIN = b"https://shop.example"
BOUND = Grant(1, "beacon", 1.0, 1.0, 1, frozenset({ORIGIN.decode()}))
FREE = Grant(1, "write", 1.0, 1.0)
ASKED = b"content-type, content-encoding, idempotency-key, x-api-key, x-faro-session-id"
"""What Faro 2.12.1 asks for; without it, it sends nothing."""


@pytest.mark.parametrize(
    ("origin", "grant", "expected"),
    [
        pytest.param(b"", FREE, {}, id="no page"),
        pytest.param(ORIGIN, FREE, {b"access-control-allow-origin": b"*"}, id="a key for any page"),
        pytest.param(ORIGIN, None, {b"access-control-allow-origin": b"*"}, id="no key, as with a 401 or 503"),
        pytest.param(b"null", FREE, {b"access-control-allow-origin": b"*"}, id="a file"),
        pytest.param(b"https://evil.example", BOUND, {b"access-control-allow-origin": b"*"}, id="the key of another"),
        pytest.param(
            ORIGIN, BOUND,
            {b"access-control-allow-origin": ORIGIN, b"access-control-allow-credentials": b"true", b"vary": b"Origin"},
            id="a key for this page",
        ),
    ],
)  # fmt: skip
def test_an_answer_says_who_may_read_it(
    origin: bytes, grant: Grant | None, expected: dict[bytes, bytes]
) -> None:
    """And which of its headers clients may act on; only a key's own page gets them with its credentials."""
    crossing = Crossing("POST", [(b"origin", origin)] if origin else [])
    crossing.grant = grant

    exposed = {b"access-control-expose-headers": EXPOSED} if origin else {}
    assert expected | exposed == dict(crossing.headers())


@pytest.mark.parametrize("keyed", [True, False])
def test_a_preflight_is_granted_what_it_asks_for(keyed: bool) -> None:
    """Any headers; and credentials where the key stands in the address, for beacons of JSON bring them."""
    crossing = Crossing(
        "OPTIONS",
        [
            (b"origin", ORIGIN),
            (b"access-control-request-method", b"POST"),
            (b"access-control-request-headers", ASKED),
        ],
    )

    answer = crossing.options("POST", keyed=keyed)

    found = [*answer.headers, *crossing.headers()]
    headers = dict(found)
    assert len(headers) == len(found)
    assert (204, ASKED, b"POST", ORIGIN if keyed else b"*", b"true" if keyed else None) == (
        answer.status, headers[b"access-control-allow-headers"], headers[b"access-control-allow-methods"],
        headers[b"access-control-allow-origin"], headers.get(b"access-control-allow-credentials"),
    )  # fmt: skip


def test_options_without_a_page_says_what_is_allowed() -> None:
    """Nothing about origins."""
    assert [(b"allow", b"OPTIONS, POST")] == Crossing("OPTIONS", []).options("POST", keyed=True).headers


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (501.0, {}),
        (500.0, {b"ratelimit": b'"points";r=500;t=50', b"ratelimit-policy": b'"points";q=1000;w=100'}),
        (-20.0, {b"ratelimit": b'"points";r=0;t=102', b"ratelimit-policy": b'"points";q=1000;w=100'}),
    ],
)
def test_a_tenant_is_told_before_it_is_refused(left: float, expected: dict[bytes, bytes]) -> None:
    """From half of what it may send at once on; what remains, and when all of it is there again."""
    assert expected == dict(rate_limit_headers(Allowance(left, 1000.0, 10.0)))
