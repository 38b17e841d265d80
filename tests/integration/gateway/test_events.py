"""Events and the routes of the source documents, on a real gateway and a real topic."""

import gzip
import json
from typing import Any
from uuid import uuid4

import pytest

from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import now_ms
from shared.wire.events import partition_of
from shared.wire.series import unpack
from tests.support.gateway import PARTITIONS, Gateway

YEAR_MS = 365 * 24 * 3600 * 1000
FUNNEL = {"funnel": EFFECT_CREATION.name}


def event(**fields: Any) -> dict[str, Any]:
    """A good event of now with an id of its own."""
    return {"event_id": uuid4().hex, "type": "click", "ts": now_ms(), "session_id": "s1", **fields}


def deep(levels: int) -> Any:
    """So many lists in each other."""
    return [deep(levels - 1)] if levels else 1


async def stored(gateway: Gateway, ids: set[str]) -> dict[str, Any]:
    """The events with these ids that are in the topic, each in the partition that owns it."""
    found = [(partition, each) for partition, each in await gateway.events() if each.event_id in ids]
    assert all(partition == partition_of(each, PARTITIONS) for partition, each in found)
    assert len({each.event_id for _, each in found}) == len(found)
    return {each.event_id: each for _, each in found}


async def test_events_are_in_the_log_when_they_are_accepted(gateway: Gateway) -> None:
    """With all they said, and once."""
    sent = [
        event(name="Buy", user_id="u", properties={"nested": [{"a": "ü"}]}),
        event(),
        event(session_id=None),
    ]

    answer = await gateway.post({"events": sent}, path="/v1/events")

    assert (202, {"accepted": 3, "rejected": []}) == (answer.status_code, answer.json())
    found = await stored(gateway, {each["event_id"] for each in sent})
    first = found[sent[0]["event_id"]]
    assert ("click", "Buy", "s1", "u", {"nested": [{"a": "ü"}]}) == (
        first.type, first.name, first.session_id, first.user_id, json.loads(bytes(first.properties))
    )  # fmt: skip
    assert len(found) == 3


@pytest.mark.parametrize(
    ("spoilt", "code", "field"),
    [
        pytest.param({"event_id": None}, "invalid_event_id", "event_id", id="id is null"),
        pytest.param({"event_id": ""}, "invalid_event_id", "event_id", id="id is empty"),
        pytest.param({"event_id": "x" * 10_000}, "invalid_event_id", "event_id", id="id of 10 kB"),
        pytest.param({"event_id": "a\x00b"}, "invalid_event_id", "event_id", id="id with a control character"),
        pytest.param({"type": "with blank"}, "invalid_type", "type", id="type with a blank"),
        pytest.param({"name": "\u202e"}, "invalid_name", "name", id="name that turns text around"),
        pytest.param({"ts": 0}, "ts_too_old", "ts", id="1970"),
        pytest.param({"ts": now_ms() + YEAR_MS}, "ts_in_future", "ts", id="next year"),
        pytest.param({"ts": now_ms() // 1000}, "ts_too_old", "seconds", id="seconds"),
        pytest.param({"ts": 2**70}, "ts_in_future", "ts", id="beyond 64 bits"),
        pytest.param({"ts": "yesterday"}, "invalid_ts", "ts", id="no time"),
        pytest.param({"properties": {"a": "x" * 900_000}}, "invalid_properties", "properties", id="900 kB"),
        pytest.param({"properties": {"a": deep(100)}}, "invalid_properties", "properties", id="100 levels"),
        pytest.param({"properties": [1]}, "invalid_properties", "properties", id="a list"),
        pytest.param({"properties": {"a": "\x00"}}, "invalid_properties", "properties", id="U+0000"),
        pytest.param({"session_id": 5}, "invalid_session_id", "session_id", id="session is a number"),
        pytest.param({"type": "funnel_step", "name": "effect_start"}, "unknown_funnel", "funnel", id="no funnel"),
        pytest.param(
            {"type": "funnel_step", "name": "effect_start", "properties": {"funnel": "x"}},
            "unknown_funnel", "funnel", id="unknown funnel",
        ),
        pytest.param(
            {"type": "funnel_step", "name": "jump", "properties": FUNNEL}, "unknown_step", "name", id="unknown step"
        ),
        pytest.param(
            {"type": "funnel_step", "name": "effect_start", "properties": FUNNEL, "session_id": None},
            "missing_session", "session_id", id="a step without session",
        ),
    ],
)  # fmt: skip
async def test_a_bad_event_is_refused_by_itself(
    gateway: Gateway, spoilt: dict[str, Any], code: str, field: str
) -> None:
    """It is named by index, code and field, and its neighbours are stored."""
    before, after = event(), event()

    answer = await gateway.post({"events": [before, event(**spoilt), after]}, path="/v1/events")

    assert 202 == answer.status_code
    (refusal,) = answer.json()["rejected"]
    assert (2, 1, code) == (answer.json()["accepted"], refusal["index"], refusal["code"])
    assert field in refusal["message"]
    assert 2 == len(await stored(gateway, {before["event_id"], after["event_id"]}))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"events": [{"type": "x"}]}, 422, None, id="nothing good"),
        pytest.param({"events": []}, 400, "no_events", id="none"),
        pytest.param({"points": []}, 400, "invalid_body", id="not events"),
        pytest.param(b"{", 400, "malformed_json", id="not JSON"),
        pytest.param({"events": [event()] * 1001}, 413, "too_many_events", id="1,001 events"),
        pytest.param(b" " * (1 << 20) + b"{}", 413, "body_too_large", id="more than 1 MiB"),
        pytest.param(b"[" * 100_000, 400, "invalid_body", id="nested without end"),
    ],
)
async def test_a_body_that_is_none_is_refused(
    gateway: Gateway, body: Any, status: int, code: str | None
) -> None:
    """With a code, as for points."""
    answer = await gateway.post(body, path="/v1/events")

    assert (status, code) == (answer.status_code, answer.json().get("code"))


async def test_gzip_and_keys_work_as_for_points(gateway: Gateway) -> None:
    """One door for both."""
    body = gzip.compress(json.dumps({"events": [event()]}).encode())
    answers = [
        await gateway.post(body, path="/v1/events", content_encoding="gzip"),
        await gateway.post({"events": [event()]}, "read", path="/v1/events"),
        await gateway.post({"events": [event()]}, None, path="/v1/events"),
        await gateway.post({"events": [event()] * 6}, "slow", path="/v1/events"),
        await gateway.post({"events": [event()] * 6}, "slow", path="/v1/events"),
    ]

    assert [202, 403, 401, 202, 429] == [answer.status_code for answer in answers]


async def test_a_beacon_of_web_vitals_becomes_points(gateway: Gateway) -> None:
    """A text/plain array without headers, as browsers send it; a CLS of 0 is a value."""
    vitals = [
        {"name": "LCP", "value": 2500.5, "delta": 1.5, "id": "v6-1", "rating": "good", "navigationType": "navigate",
         "entries": [{"big": 1}], "attribution": {"target": "#a"}},
        {"name": "CLS", "value": 0, "delta": 0, "id": "v6-2", "rating": "good"},
        {"name": "INP", "value": 90_000, "delta": 0, "id": "v6-3"},
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
        (9, "invalid_metric"),
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
        await gateway.post({"events": [{"eventType": "x y"}]}, path="/api/analytics/events"),
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


async def series(gateway: Gateway, prefix: str) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    """Unit, labels and value of every point in the topic, by metric."""
    found: dict[str, list[tuple[str, dict[str, str], float]]] = {}
    for _, batch in await gateway.batches():
        for slot, value in zip(batch.points.slot.tolist(), batch.points.value.tolist(), strict=True):
            one = unpack(batch.series[slot])
            if one.metric.startswith(prefix):
                found.setdefault(one.metric, []).append((one.unit, dict(one.labels), value))
    return found
