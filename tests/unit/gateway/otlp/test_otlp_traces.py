"""OTLP spans become response times, and their exceptions errors."""

import json
from typing import Any

import pytest

from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from services.gateway.intake.protocols.otlp.events.routes import templated
from services.gateway.intake.protocols.otlp.records import OtlpTraces
from tests.support.otlp import NOW_MS, NOW_NS
from tests.support.otlp_events import Point, became, exception, of_body, span, spans

BOTH = pytest.mark.parametrize("media", [PROTOBUF, JSON], ids=["protobuf", "json"])
INTERNAL, SERVER, CLIENT, PRODUCER = 1, 2, 3, 4
PAY = "https://shop.example/pay"
METHOD, STATUS = "http.request.method", "http.response.status_code"


@BOTH
@pytest.mark.parametrize(
    ("kind", "attributes", "labels"),
    [
        pytest.param(
            SERVER,
            {"http.route": "/users/{id}", METHOD: "get", STATUS: 200},
            {"endpoint": "/users/{id}", "method": "GET", "status": "200"},
            id="a server by its route",
        ),
        pytest.param(
            SERVER,
            {"http.target": "/users/7?x=1", "http.method": "GET", "http.status_code": 404},
            {"endpoint": "/users/{id}", "method": "GET", "status": "404"},
            id="by its path, with names of older conventions",
        ),
        pytest.param(
            CLIENT,
            {"url.full": f"{PAY}?token=secret", METHOD: "POST", STATUS: 500},
            {"endpoint": PAY, "method": "POST", "status": "500"},
            id="a client by its address",
        ),
        pytest.param(
            CLIENT,
            {"server.address": "shop.example", "url.template": "/users/{id}", METHOD: "GET"},
            {"endpoint": "shop.example/users/{id}", "method": "GET", "status": "0"},
            id="a client that nobody answered",
        ),
        pytest.param(
            CLIENT,
            {"rpc.service": "cart.Cart", "rpc.method": "Add", "rpc.grpc.status_code": 14},
            {"endpoint": "cart.Cart/Add", "status": "14"},
            id="a remote call",
        ),
        pytest.param(
            CLIENT, {"db.system": "postgresql"}, {"endpoint": "SELECT shop"}, id="any other, by its name"
        ),
    ],
)
def test_a_span_of_a_server_or_a_client_is_a_response_time(
    media: bytes, kind: int, attributes: dict[str, object], labels: dict[str, str]
) -> None:
    """By route, method and status, and by the service that says it."""
    found = became(spans(span(kind, attributes, name="SELECT shop", status={"code": 2})), media)

    assert ([], []) == (found.events, found.refused)
    assert [Point("api.response_seconds", 0.25, labels | {"service.name": "shop"}, NOW_MS)] == found.points


@BOTH
def test_other_spans_say_no_response_time(media: bytes) -> None:
    """They are taken and not kept; R52: flags beyond 8 bits are no fault."""
    found = became(spans(*(span(kind, flags=257) for kind in (0, INTERNAL, PRODUCER, 5))), media)

    assert ([], [], []) == found


@BOTH
def test_an_exception_of_any_span_is_an_error(media: bytes) -> None:
    """With the time of its own, the ids of its span, and whether it left the span."""
    thrown = exception(
        {"exception.type": "TypeError", "exception.message": "x", "exception.escaped": True, "a": 1}
    )
    ids: dict[str, Any] = {"trace_id": bytes(range(16)), "span_id": bytes(8)}
    request = spans(span(INTERNAL, {"url.full": PAY}, events=[thrown, thrown], **ids))

    one, two = became(request, media).events

    assert ("error", "TypeError", NOW_MS - 1) == one[:3]
    assert one.properties == {
        "service": "shop", "release": "1.2", "sdk": "opentelemetry", "logger": "http", "url": PAY,
        "trace_id": "000102030405060708090a0b0c0d0e0f", "span_id": "0" * 16, "type": "TypeError",
        "message": "x", "level": "error", "handled": False, "attributes": {"a": 1},
    }  # fmt: skip
    assert one.id != two.id
    assert [one.id, two.id] == [event.id for event in became(request, media).events]


@BOTH
def test_a_span_that_ends_before_it_begins_is_refused_alone(media: bytes) -> None:
    """And so is one without times, or of last week."""
    week_ns = 7 * 24 * 3600 * 10**9
    bad = [
        span(SERVER, start_time_unix_nano=NOW_NS + 1),
        span(SERVER, start_time_unix_nano=0),
        span(SERVER, end_time_unix_nano=0),
        span(SERVER, start_time_unix_nano=NOW_NS - week_ns - 1, end_time_unix_nano=NOW_NS - week_ns),
    ]

    found = became(spans(span(SERVER), *bad, span(CLIENT)), media)

    assert (2, [1, 2, 3, 4]) == (len(found.points), [one.index for one in found.refused])


def test_json_that_is_no_span_is_refused_alone() -> None:
    """Neighbours count; enums may be names, as some clients write them."""
    times = {"startTimeUnixNano": NOW_NS - 1_000_000, "endTimeUnixNano": str(NOW_NS)}
    good = times | {"kind": "SPAN_KIND_SERVER", "name": "GET /", "status": {"code": "STATUS_CODE_ERROR"}}
    bad: list[Any] = [
        7, [], {"name": 7}, good | {"endTimeUnixNano": "never"}, good | {"events": 7}, good | {"attributes": {}}
    ]  # fmt: skip
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [good, *bad, good]}]}]}).encode()

    found = of_body(body, OtlpTraces())

    assert [0.001, 0.001] == [point.value for point in found.points]
    assert [1, 2, 3, 4, 5, 6] == [one.index for one in found.refused]


@pytest.mark.parametrize(
    ("address", "template"),
    [
        ("/users/7/orders/5f0c0e8e-1111-2222-3333-444455556666", "/users/{id}/orders/{id}"),
        ("/files/deadbeef01", "/files/{id}"),
        ("/a/Zm9vYmFyYmF6cXV4MTIzNDU2/b", "/a/{id}/b"),
        ("/api/v2/users?id=7#top", "/api/v2/users"),
        ("https://me:secret@shop.example:8443/pay/12", "https://shop.example:8443/pay/{id}"),
        ("https://shop.example", "https://shop.example"),
        ("/redirect/https://else.example/x", "/redirect/https:/else.example/x"),
        ("/" + "a/" * 50, "/a/a/a/a/a/a/a/a"),
        ("", ""),
        ("*", "*"),
    ],
)
def test_an_address_is_one_of_few(address: str, template: str) -> None:
    """Ids become `{id}`; what is personal goes: the query, the fragment, user and password."""
    assert template == templated(address)
