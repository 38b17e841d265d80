"""The bodies of older clients: each item becomes one of ours, or is refused by itself."""

import json
from typing import Any

import pytest

from shared.errors import Rejected
from shared.wire.series import unpack
from tests.support.decoding import AnalyticsDecoding

NOW = 1_790_000_000_000

PointRow = tuple[str, str, str, float, dict[str, str]]


def legacy(limit: int = 10) -> AnalyticsDecoding:
    """A decoder of its own."""
    return AnalyticsDecoding(limit)


def pointed(*items: Any) -> tuple[list[PointRow], list[tuple[int, str]]]:
    """Metric, kind, unit, value and labels of each point, and what was refused."""
    found = legacy().metrics(json.dumps(items).encode(), 7, NOW)
    packed = found.catalogue.packed
    series = [unpack(packed[slot]) for slot in found.points.slot.tolist()]
    points = [
        (one.metric, one.kind, one.unit, value, dict(one.labels))
        for one, value in zip(series, found.points.value.tolist(), strict=True)
    ]
    return points, [(each.index, each.code) for each in found.rejected]


@pytest.mark.parametrize(
    ("item", "point"),
    [
        pytest.param(
            {"name": "LCP", "value": 2500, "rating": "poor", "navigationURL": "https://a.b/c?token=1"},
            ("web_vital.lcp", "gauge", "ms", 2500.0, {"rating": "good", "page": "https://a.b/c"}), id="LCP",
        ),
        pytest.param(
            {"name": "CLS", "value": 0, "route": "/r", "page": "/p"},
            ("web_vital.cls", "gauge", "1", 0.0, {"rating": "good", "page": "/r"}), id="CLS of 0",
        ),
        pytest.param(
            {"kind": "vital", "name": "INP", "value": 501},
            ("web_vital.inp", "gauge", "ms", 501.0, {"rating": "poor"}), id="vital by kind and name",
        ),
        pytest.param(
            {"type": "FID", "value": 100.5, "timestamp": NOW - 0.5},
            ("web_vital.fid", "gauge", "ms", 100.5, {"rating": "needs-improvement"}), id="vital by type, broken time",
        ),
        pytest.param(
            {"kind": "api", "route": "/pay?card=1", "method": "POST", "status_code": 500, "value": 1.5, "unit": "s"},
            ("api.response_seconds", "delta", "s", 1.5, {"endpoint": "/pay", "method": "POST", "status": "500"}),
            id="api in seconds",
        ),
        pytest.param(
            {"type": "resource", "name": "a.js", "duration": 20},
            ("resource.seconds", "delta", "s", 0.02, {"name": "a.js"}), id="resource",
        ),
        pytest.param(
            {"type": "memory", "value": 0.5}, ("memory.heap_ratio", "gauge", "1", 0.5, {}), id="memory as a ratio"
        ),
        pytest.param(
            {"type": "cache", "hit": False, "name": "L1"}, ("cache.hit_ratio", "gauge", "1", 0.0, {"name": "L1"}),
            id="cache missed",
        ),
    ],
)  # fmt: skip
def test_a_metric_becomes_a_point(item: dict[str, Any], point: PointRow) -> None:
    """Under the name, unit and labels that rules read."""
    assert ([point], []) == pointed(item)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        pytest.param({"name": [], "kind": {}}, "unknown_metric", id="name and kind of a wrong type"),
        pytest.param({"name": "FPS", "value": 1}, "unknown_metric", id="unknown"),
        pytest.param({"name": "LCP"}, "invalid_value", id="no value"),
        pytest.param({"name": "LCP", "value": True}, "invalid_value", id="value true"),
        pytest.param({"name": "LCP", "value": 60_001}, "value_out_of_range", id="LCP above a minute"),
        pytest.param({"name": "CLS", "value": 100.1}, "value_out_of_range", id="CLS above 100"),
        pytest.param({"name": "CLS", "value": -0.1}, "value_out_of_range", id="CLS below 0"),
        pytest.param({"kind": "api", "value": -1}, "value_out_of_range", id="negative duration"),
        pytest.param({"kind": "api", "value": 1, "unit": "min"}, "invalid_unit", id="minutes"),
        pytest.param({"kind": "api", "value": 1, "route": "x" * 5000}, "invalid_labels", id="endless route"),
        pytest.param({"kind": "memory", "usedJSHeapSize": 1}, "invalid_jsHeapSizeLimit", id="no limit of the heap"),
        pytest.param(
            {"kind": "memory", "usedJSHeapSize": 2, "jsHeapSizeLimit": 1}, "value_out_of_range", id="more than the heap"
        ),
        pytest.param({"kind": "cache", "value": 1.1}, "value_out_of_range", id="more than all hits"),
        pytest.param({"name": "LCP", "value": 1, "ts": [NOW]}, "invalid_ts", id="time is a list"),
        pytest.param({"name": "LCP", "value": 1, "ts": 0}, "ts_too_old", id="1970"),
        pytest.param({"name": "LCP", "value": 1, "ts": 1e300}, "ts_in_future", id="a time beyond 64 bits"),
        pytest.param({"name": "LCP", "value": 1, "ts": True}, "invalid_ts", id="time true"),
        pytest.param([], "invalid_item", id="a list"),
    ],
)  # fmt: skip
def test_a_bad_metric_is_refused_by_itself(item: Any, code: str) -> None:
    """Under its own index, and its neighbours are taken."""
    points, refused = pointed({"name": "CLS", "value": 0}, item, {"kind": "cache", "hit": True})

    assert (["web_vital.cls", "cache.hit_ratio"], [(1, code)]) == ([point[0] for point in points], refused)


def deep(levels: int) -> Any:
    """So many lists in each other."""
    return [deep(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    ("item", "code"),
    [
        pytest.param({"type": "x", "properties": {"a": deep(20)}}, "invalid_properties", id="deep"),
        pytest.param({"type": "x", "properties": {"a": deep(300)}}, "invalid_properties", id="deeper"),
        pytest.param({"type": "x", "eventId": deep(300)}, "invalid_event_id", id="a deep id"),
        pytest.param({"type": "x", "timestamp": deep(300)}, "invalid_ts", id="a deep time"),
        pytest.param({"type": "x", "metadata": [1]}, "invalid_properties", id="metadata is a list"),
        pytest.param({"type": "x", "metadata": 1}, "invalid_properties", id="metadata is a number"),
        pytest.param({"type": "x", "metadata": {"a": "\x00"}}, "invalid_properties", id="a text with NUL"),
        pytest.param({"type": "x", "metadata": {"a": "x" * 10**6}}, "invalid_properties", id="too large"),
        pytest.param({"type": "x", "timestamp": 1e300}, "ts_in_future", id="a time beyond 64 bits"),
        pytest.param({"type": "x", "id": ""}, "invalid_event_id", id="empty id"),
        pytest.param({"id": "x"}, "invalid_type", id="no type"),
        pytest.param("x", "invalid_item", id="a text"),
    ],
)
def test_a_bad_event_is_refused_by_itself(item: Any, code: str) -> None:
    """However deep it is, and its neighbours are taken."""
    good = {"eventType": "a", "timestamp": NOW, "context": deep(300)}

    found = legacy().legacy_events(json.dumps([good, item, good]).encode(), 7, NOW)

    assert (2, [(1, code)]) == (len(found.events), [(each.index, each.code) for each in found.rejected])


@pytest.mark.parametrize(
    ("item", "code"),
    [
        pytest.param({"sessionId": "s"}, "unknown_step", id="no step"),
        pytest.param({"step": "Jump", "sessionId": "s"}, "unknown_step", id="unknown step"),
        pytest.param({"step": "Image Upload"}, "missing_session", id="no session"),
        pytest.param({"step": "Image Upload", "sessionId": "s", "funnel": "x"}, "unknown_funnel", id="unknown funnel"),
        pytest.param({"step": "Image Upload", "sessionId": "s", "funnel": deep(300)}, "unknown_funnel", id="deep"),
        pytest.param({"step": deep(300), "sessionId": "s"}, "unknown_step", id="deep step"),
        pytest.param(
            {"step": "Image Upload", "sessionId": "s", "metadata": 1}, "invalid_properties", id="metadata is a number"
        ),
    ],
)  # fmt: skip
def test_a_bad_step_is_refused_by_itself(item: Any, code: str) -> None:
    """By field, and its neighbours are taken."""
    good = {"stepName": "image-upload", "sessionId": "s", "metadata": {"a": 1}}

    found = legacy().steps(json.dumps({"steps": [good, item]}).encode(), 7, NOW)

    (event,) = found.events
    assert ("funnel_step", "image_upload", {"a": 1, "funnel": "effect_creation"}) == (
        event.type, event.name, json.loads(bytes(event.properties))
    )  # fmt: skip
    assert [(1, code)] == [(each.index, each.code) for each in found.rejected]


def test_an_event_without_an_id_is_known_again_by_its_content() -> None:
    """Of its own tenant, when it bears a time; without one, two are two."""
    timed, untimed = {"type": "x", "ts": NOW}, {"type": "x"}

    def ids(item: dict[str, Any], tenant_id: int) -> set[str]:
        bodies = (item, [item], {"events": [item]})
        return {
            event.event_id
            for body in bodies
            for event in legacy().legacy_events(json.dumps(body).encode(), tenant_id, NOW).events
        }

    assert (1, 1, 3) == (len(ids(timed, 7)), len(ids(timed, 8)), len(ids(untimed, 7)))
    assert ids(timed, 7) != ids(timed, 8)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"5", "invalid_body", id="a number"),
        pytest.param(b"{", "malformed_json", id="not JSON"),
        pytest.param(b"[" * 100_000, "malformed_json", id="nested without end"),
        pytest.param(b"[]", "no_points", id="nothing"),
        pytest.param(b"[" + b"5," * 10 + b"5]", "too_many_points", id="too many, all bad"),
    ],
)
def test_a_body_without_items_is_refused(body: bytes, code: str) -> None:
    """As a whole, in few words."""
    with pytest.raises(Rejected) as refusal:
        legacy().metrics(body, 7, NOW)

    assert code == refusal.value.code
