"""The routes of older clients and of browsers, on a real gateway and real topics."""

import json
from typing import Any
from uuid import uuid4

import pytest

from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import now_ms
from shared.wire.series import unpack
from tests.support.http.gateway import Gateway

pytestmark = pytest.mark.servers

FUNNEL = {"funnel": EFFECT_CREATION.name}


def deep(levels: int) -> Any:
    """So many lists in each other."""
    return [deep(levels - 1)] if levels else 1


async def test_a_beacon_of_web_vitals_becomes_points(gateway: Gateway) -> None:
    """A text/plain array without headers, as browsers send it; a CLS of 0 is a value."""
    vitals = [
        {"name": "LCP", "value": 2500.5, "delta": 2500.5, "id": "v6-1", "rating": "good", "navigationType": "navigate",
         "entries": [{"big": 1}], "attribution": {"target": "#a"}},
        {"name": "CLS", "value": 0, "delta": 0, "id": "v6-2", "rating": "good"},
        {"name": "INP", "value": 900_001, "delta": 900_001, "id": "v6-3"},
    ]  # fmt: skip

    answer = await gateway.post(
        vitals,
        None,
        path="/api/analytics/performance/metrics?key=write",
        content_type="text/plain;charset=UTF-8",
    )

    assert (202, 2, [(2, "value_out_of_range")]) == (
        answer.status_code,
        answer.json()["accepted"],
        [(each["index"], each["code"]) for each in answer.json()["rejected"]],
    )
    found = await series(gateway, "web_vital.")
    assert ("ms", {"rating": "needs-improvement", "navigation_type": "navigate"}, 2500.5) in found[
        "web_vital.lcp"
    ]
    assert ("1", {"rating": "good"}, 0.0) in found["web_vital.cls"]


async def test_performance_metrics_become_what_rules_read(gateway: Gateway) -> None:
    """Response times in seconds, heap and cache as ratios; what is not understood is refused by field."""
    metrics = [
        {"type": "api_response_time", "endpoint": "/pay", "method": "POST", "statusCode": 200, "value": 1234},
        {"kind": "memory", "usedJSHeapSize": 40, "jsHeapSizeLimit": 50},
        {"kind": "memory", "value": 85, "unit": "%"},
        {"kind": "cache", "hit": True},
        {"kind": "cache", "ratio": 0.25},
        {"kind": "component_render", "name": "Editor", "duration": 16},
        {"kind": "soup", "value": 1},
        {"kind": "cache", "value": 7},
        {"kind": "api", "value": "fast"},
        5,
    ]

    answer = await gateway.post({"metrics": metrics}, path="/api/analytics/performance/metrics")

    refused = [(each["index"], each["code"]) for each in answer.json()["rejected"]]
    assert [
        (6, "unknown_metric"),
        (7, "value_out_of_range"),
        (8, "invalid_value"),
        (9, "invalid_item"),
    ] == refused
    found = await series(gateway, "")
    assert ("s", {"endpoint": "/pay", "method": "POST", "status": "200"}, 1.234) in found[
        "api.response_seconds"
    ]
    assert {0.8, 0.85} <= {value for *_, value in found["memory.heap_ratio"]}
    assert {1.0, 0.25} <= {value for *_, value in found["cache.hit_ratio"]}
    assert ("s", {"name": "Editor"}, 0.016) in found["render.seconds"]


async def test_older_clients_post_events_and_steps(gateway: Gateway) -> None:
    """Under their own names; an item that bears a time but no id is the same event however often it comes."""
    item = {
        "eventType": "share",
        "userId": "u9",
        "sessionId": "s9",
        "timestamp": now_ms(),
        "metadata": {"a": 1},
    }
    step = {"step": "Image Upload", "sessionId": "s9", "timestamp": now_ms(), "eventId": uuid4().hex}
    answers = [
        await gateway.post(item, path="/api/analytics/events"),
        await gateway.post([item], path="/api/analytics/events"),
        await gateway.post(
            {"steps": [step, {"step": "Nope", "sessionId": "s9"}]}, path="/api/analytics/funnel"
        ),
        await gateway.post({"events": [{"eventType": "x\ty"}]}, path="/api/analytics/events"),
        await gateway.post(b"{", path="/api/analytics/funnel"),
    ]

    assert [202, 202, 202, 422, 400] == [answer.status_code for answer in answers]
    assert [(1, "unknown_step")] == [(each["index"], each["code"]) for each in answers[2].json()["rejected"]]
    found = [each for _, each in await gateway.events() if each.session_id == "s9"]
    shares = [each for each in found if each.type == "share"]
    assert (2, 1) == (len(shares), len({each.event_id for each in shares}))
    (taken,) = [each for each in found if each.type == "funnel_step"]
    assert ("image_upload", FUNNEL) == (taken.name, json.loads(bytes(taken.properties)))


async def test_two_keys_that_differ_are_refused(gateway: Gateway) -> None:
    """In the query as in headers."""
    answer = await gateway.post(
        [{"name": "LCP", "value": 1}], path="/api/analytics/performance/metrics?key=other"
    )

    assert (400, "two_keys") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/analytics/performance/metrics",
        "/api/analytics/performance/alerts",
        "/api/analytics/events",
        "/api/analytics/funnel",
    ],
)
@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        pytest.param(
            b"[" + b'{"name":[],"eventId":{},"step":[],"severity":[]},' * 9 + b"5]",
            "text/plain",
            422,
            id="wrong types",
        ),
        pytest.param(
            json.dumps({"type": "x", "properties": deep(300)}).encode(), "application/json", 422, id="deep"
        ),
        pytest.param(b"[" + b"5," * 2000 + b"5]", "text/plain", 413, id="too many items"),
        pytest.param(b" " * (1 << 20) + b"{}", "text/plain", 413, id="more than 1 MiB"),
        pytest.param(b"{}", "application/xml", 415, id="neither JSON nor text"),
        pytest.param(b"[]", "text/plain", 400, id="nothing"),
    ],
)
async def test_a_bad_body_of_older_clients_is_refused(
    gateway: Gateway, path: str, body: bytes, media: str, status: int
) -> None:
    """With a status of the contract on all four routes, and the process goes on."""
    answer = await gateway.post(body, None, path=f"{path}?key=write", content_type=media)

    assert status == answer.status_code


async def series(gateway: Gateway, prefix: str) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    """Unit, labels and value of every point in the topic, by metric."""
    found: dict[str, list[tuple[str, dict[str, str], float]]] = {}
    for _, batch in await gateway.batches():
        for slot, value in zip(batch.points.slot.tolist(), batch.points.value.tolist(), strict=True):
            one = unpack(batch.series[slot])
            if one.metric.startswith(prefix):
                found.setdefault(one.metric, []).append((one.unit, dict(one.labels), value))
    return found
