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
            {"name": "LCP", "value": 2500, "rating": "poor", "navigationURL": "https://a.b/c?token=1#x"},
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
            {"kind": "api", "value": 1, "route": "ü" * 5000},
            ("api.response_seconds", "delta", "s", 0.001, {"endpoint": "ü" * 128}), id="endless route",
        ),
        pytest.param(
            {"type": "resource", "name": "a.js", "duration": 20},
            ("resource.seconds", "delta", "s", 0.02, {"name": "a.js"}), id="resource",
        ),
        pytest.param(
            {"name": "INP", "value": 75_000}, ("web_vital.inp", "gauge", "ms", 75_000.0, {"rating": "poor"}),
            id="a page that hung for a minute",
        ),
        pytest.param(
            {"kind": "api", "value": 1000, "unit": None, "method": None, "status": 200},
            ("api.response_seconds", "delta", "s", 1.0, {"status": "200"}), id="null for what is absent",
        ),
        pytest.param(
            {"type": "memory", "value": 0.5, "usedJSHeapSize": None},
            ("memory.heap_ratio", "gauge", "1", 0.5, {}), id="no heap",
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
        pytest.param({"name": "LCP", "value": None}, "invalid_value", id="value null, which NaN becomes"),
        pytest.param({"name": "LCP", "value": 900_001}, "value_out_of_range", id="LCP above 15 minutes"),
        pytest.param({"name": "CLS", "value": 100.1}, "value_out_of_range", id="CLS above 100"),
        pytest.param({"name": "CLS", "value": -0.1}, "value_out_of_range", id="CLS below 0"),
        pytest.param({"kind": "api", "value": -1}, "value_out_of_range", id="negative duration"),
        pytest.param({"kind": "api", "value": 1, "unit": "min"}, "invalid_unit", id="minutes"),
        pytest.param({"kind": "api", "value": 1, "route": "x\n"}, "invalid_labels", id="route of two lines"),
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


def test_a_vital_that_comes_again_takes_back_what_it_said_before() -> None:
    """Value less delta is what it said before: the first one takes nothing back, one without a delta neither."""
    reports = [
        {"name": "CLS", "value": 0.05, "delta": 0.05, "id": "v6-1"},
        {"name": "CLS", "value": 0.15, "delta": 0.1, "id": "v6-1"},
        {"name": "INP", "value": 75_000, "id": "v6-2"},
    ]

    found = legacy().metrics(json.dumps(reports).encode(), 7, NOW)

    assert ([0.05, 0.15, 0.05, 75_000], [1, 1, -1, 1], True) == (
        found.points.value.tolist(), found.points.weight.tolist(), found.timed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("item", "known"),
    [
        pytest.param({"name": "FCP", "value": 1000, "timestamp": NOW}, False, id="a vital of two visitors"),
        pytest.param({"name": "FCP", "value": 1000, "id": "v6-1"}, True, id="a vital with an id"),
        pytest.param({"kind": "api", "value": 1, "ts": NOW}, True, id="a duration with a time"),
        pytest.param({"kind": "api", "value": 1}, False, id="a duration without one"),
    ],
)
def test_equal_bodies_are_one_where_their_items_say_so(item: dict[str, Any], known: bool) -> None:
    """Two visitors may see the same vital in the same millisecond."""
    assert known is legacy().metrics(json.dumps(item).encode(), 7, NOW).timed


@pytest.mark.parametrize(
    ("item", "name", "properties"),
    [
        pytest.param(
            {"alertType": "API_RESPONSE_TIME", "severity": "CRITICAL", "message": "slow", "metric": "api",
             "currentValue": 5.10, "threshold": 5, "endpoint": "/pay", "isResolved": False, "metadata": {"a": 1}},
            "API_RESPONSE_TIME",
            {"a": 1, "message": "slow", "metric": "api", "value": 5.1, "threshold": 5, "endpoint": "/pay",
             "resolved": False, "severity": "critical"},
            id="all fields",
        ),
        pytest.param({"type": "memory"}, "memory", {"severity": "warning"}, id="its kind alone"),
    ],
)  # fmt: skip
def test_an_alert_of_a_client_becomes_an_event(
    item: dict[str, Any], name: str, properties: dict[str, Any]
) -> None:
    """Of type alert, named after its kind, with a severity."""
    body = json.dumps({"alerts": [{**item, "timestamp": NOW, "sessionId": "s-1", "userId": "u-1"}]}).encode()

    (event,) = legacy().alerts(body, 7, NOW).events

    assert ("alert", name, "s-1", "u-1", properties) == (
        event.type, event.name, event.session_id, event.user_id, json.loads(bytes(event.properties)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("item", "code"),
    [
        pytest.param({"severity": "info"}, "invalid_type", id="no kind"),
        pytest.param({"type": "memory", "severity": "blue"}, "invalid_severity", id="unknown severity"),
        pytest.param({"type": "memory", "severity": 3}, "invalid_severity", id="severity is a number"),
        pytest.param({"type": "memory", "metadata": [1]}, "invalid_properties", id="metadata is a list"),
    ],
)
def test_a_bad_alert_is_refused_by_itself(item: dict[str, Any], code: str) -> None:
    """By field, and its neighbours are taken."""
    found = legacy().alerts(json.dumps([{"type": "cache"}, item]).encode(), 7, NOW)

    assert (1, [(1, code)]) == (len(found.events), [(each.index, each.code) for each in found.rejected])


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
    good = {"stepName": "image-upload", "sessionId": "s", "metadata": {"a": 1}, "revenue": 9.90}

    found = legacy().steps(json.dumps({"steps": [good, item]}).encode(), 7, NOW)

    (event,) = found.events
    assert ("funnel_step", "image_upload", {"a": 1, "revenue": 9.9, "funnel": "effect_creation"}) == (
        event.type, event.name, json.loads(bytes(event.properties))
    )  # fmt: skip
    assert [(1, code)] == [(each.index, each.code) for each in found.rejected]


NUMBERS = '{"a": 36893488147419103233, "b": [0.12345678901234567890123, 1.10]}'
"""Properties whose numbers no float holds. Source: inngest#4058."""


@pytest.mark.parametrize("spelling", ["properties", "metadata", "eventData"])
def test_numbers_of_an_event_stay_as_they_came(spelling: str) -> None:
    """Under every name that older clients have for them."""
    body = f'[{{"type": "x", "properties": null, "{spelling}": {NUMBERS}}}]'

    (event,) = legacy().legacy_events(body.encode(), 7, NOW).events

    assert NUMBERS == bytes(event.properties).decode()


def test_numbers_of_a_step_stay_as_they_came() -> None:
    """Beside the name of its funnel, which is added."""
    body = f'{{"step": "Image Upload", "sessionId": "s", "metadata": {NUMBERS}}}'

    (event,) = legacy().steps(body.encode(), 7, NOW).events

    assert NUMBERS.replace(" ", "")[:-1] + ',"funnel":"effect_creation"}' == bytes(
        event.properties
    ).decode().replace(" ", "")


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


def test_equal_events_of_one_body_are_several() -> None:
    """Each has an id, and all have the same ones when the body comes again."""
    body = json.dumps([{"type": "x", "ts": NOW}] * 3).encode()

    first, again = (
        [event.event_id for event in legacy().legacy_events(body, 7, NOW).events] for _ in range(2)
    )

    assert (3, first) == (len(set(first)), again)


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


def test_two_visitors_may_have_measured_the_same() -> None:
    """Equal vitals of one millisecond are two, unless an id says that they are one. Source: influxdb#23804."""
    vital = {"name": "FCP", "value": 800, "timestamp": NOW}

    timed = [
        legacy().metrics(json.dumps(items).encode(), 7, NOW).timed
        for items in ([vital], [vital | {"id": "v5-1"}], [vital | {"id": "v5-1"}, vital])
    ]

    assert [False, True, False] == timed


@pytest.mark.parametrize(("user_id", "text"), [(42, "42"), (4.5, "4.5"), ("u", "u"), (None, None)])
def test_an_id_may_be_a_number(user_id: object, text: str | None) -> None:
    """It is the text that JSON writes for it."""
    body = json.dumps([{"type": "x", "userId": user_id, "ts": NOW}]).encode()

    (event,) = legacy().legacy_events(body, 7, NOW).events

    assert text == event.user_id


def test_numbers_that_json_does_not_have_harm_their_own_item() -> None:
    """Of metrics and of events."""
    good = b'{"type":"memory","value":0.5}'

    points = legacy().metrics(b'[%b,{"type":"memory","value":NaN},%b]' % (good, good), 7, NOW)
    events = legacy().legacy_events(b'[%b,{"type":"a","x":-Infinity},%b]' % (good, good), 7, NOW)

    assert (2, [(1, "invalid_item")]) == (
        len(points.points),
        [(one.index, one.code) for one in points.rejected],
    )
    assert (2, [(1, "invalid_item")]) == (
        len(events.events),
        [(one.index, one.code) for one in events.rejected],
    )
