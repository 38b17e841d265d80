"""A wrong argument raises where it was given, and names itself."""

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.http.receiver import Receiver
from tidegauge_client import Stats, Telemetry

LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


@pytest.fixture
def telemetry(client: Callable[..., Telemetry]) -> Telemetry:
    """A client of a receiver that takes everything."""
    return client()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param({"name": ""}, "ValueError name: must not be empty", id="no name"),
        pytest.param({"name": 7}, "TypeError name: must be a string, not int", id="name"),
        pytest.param({"value": float("nan")}, "ValueError value: must be finite, not nan", id="nan"),
        pytest.param({"value": float("inf")}, "ValueError value: must be finite, not inf", id="infinity"),
        pytest.param({"value": 10**400}, "ValueError value: must be finite", id="huge"),
        pytest.param({"value": "1"}, "TypeError value: must be a number, not str", id="text"),
        pytest.param({"value": None}, "TypeError value: must be a number, not NoneType", id="none"),
        pytest.param({"value": np.array([1, 2])}, "TypeError value: ", id="many numbers"),
        pytest.param({"ts_ms": 1.5}, "TypeError ts_ms: must be integer milliseconds, not float", id="time"),
        pytest.param(
            {"ts_ms": 1 << 60}, "ValueError ts_ms: must be milliseconds since 1970", id="nanoseconds"
        ),
        pytest.param({"labels": ["a"]}, "TypeError labels: must be a mapping, not list", id="labels"),
        pytest.param({"labels": {"a": 1}}, "TypeError labels.a: must be a string, not int", id="label"),
        pytest.param(
            {"labels": {1: "a"}}, "TypeError labels: must be a mapping from strings", id="label name"
        ),
        pytest.param({"kind": "counter"}, "ValueError kind: must be gauge, delta or cumulative", id="kind"),
        pytest.param({"unit": None}, "TypeError unit: must be a string, not NoneType", id="unit"),
        pytest.param({"weight": 0}, "ValueError weight: must not be zero", id="weight"),
        pytest.param({"distinct": ""}, "ValueError distinct: must not be empty", id="empty distinct"),
        pytest.param({"distinct": 7}, "TypeError distinct: must be a string, not int", id="distinct"),
        pytest.param(
            {"start_ms": 0.5}, "TypeError start_ms: must be integer milliseconds, not float", id="start"
        ),
    ],
)
def test_a_wrong_point_raises(telemetry: Telemetry, given: dict[str, Any], error: str) -> None:
    """At once, and nothing is sent."""
    with pytest.raises((TypeError, ValueError)) as raised:
        telemetry.point(**({"name": "load", "value": 1} | given))

    assert f"{raised.type.__name__} {raised.value}".startswith(error)
    assert Stats() == telemetry.stats


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param({"counts": [1, 2]}, "ValueError counts: must be one more than bounds", id="counts"),
        pytest.param({"counts": 5}, "TypeError counts: must be many numbers, not int", id="one count"),
        pytest.param({"counts": "123"}, "TypeError counts: must be many numbers, not str", id="text"),
        pytest.param({"bounds": [1, None]}, "TypeError bounds: must be a number, not NoneType", id="bound"),
        pytest.param({"kind": "counter"}, "ValueError kind: must be gauge, delta or cumulative", id="kind"),
        pytest.param({"start_ms": -1}, "ValueError start_ms: must be milliseconds since 1970", id="start"),
    ],
)
def test_a_wrong_histogram_raises(telemetry: Telemetry, given: dict[str, Any], error: str) -> None:
    """At once, and nothing is sent."""
    with pytest.raises((TypeError, ValueError)) as raised:
        telemetry.histogram(**({"name": "took", "bounds": [1, 2], "counts": [0, 1, 2]} | given))

    assert f"{raised.type.__name__} {raised.value}".startswith(error)
    assert Stats() == telemetry.stats


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param({"type": ""}, "ValueError type: must not be empty", id="no type"),
        pytest.param({"name": None}, "TypeError name: must be a string", id="name"),
        pytest.param({"event_id": ""}, "ValueError event_id: must not be empty", id="id"),
        pytest.param({"session_id": 5}, "TypeError session_id: must be a string, not int", id="session"),
        pytest.param({"user_id": 5}, "TypeError user_id: must be a string, not int", id="user"),
        pytest.param({"ts_ms": True}, "TypeError ts_ms: must be integer milliseconds", id="time"),
        pytest.param({"properties": [1]}, "TypeError properties: must be a mapping", id="properties"),
        pytest.param({"properties": {"a": {1}}}, "TypeError properties: Object of type set", id="no JSON"),
        pytest.param({"properties": {"a": float("nan")}}, "ValueError properties: ", id="nan"),
        pytest.param({"properties": LOOP}, "ValueError properties: Circular reference", id="circular"),
    ],
)
def test_a_wrong_event_raises(telemetry: Telemetry, given: dict[str, Any], error: str) -> None:
    """At once, and nothing is sent."""
    with pytest.raises((TypeError, ValueError)) as raised:
        telemetry.event(**({"type": "click"} | given))

    assert f"{raised.type.__name__} {raised.value}".startswith(error)
    assert Stats() == telemetry.stats


@pytest.mark.parametrize("field", ["step", "session_id", "funnel"])
def test_a_wrong_funnel_step_raises(telemetry: Telemetry, field: str) -> None:
    """A step without step, session or funnel is none."""
    with pytest.raises(ValueError, match=f"^{field}: must not be empty"):
        telemetry.funnel_step(**({"step": "image_upload", "session_id": "s"} | {field: ""}))


@pytest.mark.parametrize("number", [True, 2, np.float32(0.5), np.int64(3), decimal.Decimal("0.25")])
def test_anything_that_is_a_number_is_a_value(telemetry: Telemetry, receiver: Receiver, number: Any) -> None:
    """Also those of other libraries."""
    telemetry.point("load", number)
    telemetry.flush()

    assert [float(number)] == [point["value"] for point in receiver.points]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param({"url": "ftp://host"}, "url: must be http", id="scheme"),
        pytest.param({"url": "http://"}, "url: must be http", id="host"),
        pytest.param({"url": "http://host:99999"}, "url: ", id="port"),
        pytest.param({"url": f"http://{'a' * 70}.example"}, "url: ", id="host too long"),
        pytest.param(
            {"url": "http://me:secret@host"}, "url: must hold neither credentials", id="credentials"
        ),
        pytest.param({"url": "http://host/a b"}, "url: its path", id="path"),
        pytest.param({"key": ""}, "key: must not be empty", id="no key"),
        pytest.param({"key": "a\nb"}, "key: must be printable ASCII", id="key"),
        pytest.param({"batch_items": 0}, "batch_items: must be 1 to 1000", id="batch"),
        pytest.param({"batch_items": 1001}, "batch_items: must be 1 to 1000", id="large batch"),
        pytest.param({"max_queue": 1}, "max_queue: must hold a batch", id="queue"),
        pytest.param({"timeout_s": 0}, "timeout_s: must be above 0", id="timeout"),
        pytest.param({"max_age_s": -1}, "max_age_s: must be between", id="age"),
    ],
)
def test_a_wrong_setting_raises(given: dict[str, Any], error: str) -> None:
    """When the client is made, not when it first sends."""
    with pytest.raises(ValueError, match=f"^{error}") as raised:
        Telemetry(**({"url": "http://host", "key": "key"} | given))

    assert "secret" not in str(raised.value)


def test_the_key_is_not_shown(telemetry: Telemetry) -> None:
    """Neither by the client nor by what it is made of."""
    parts = [telemetry, *vars(telemetry).values(), *vars(telemetry._points).values()]

    assert [part for part in map(repr, parts) if "tg_w_secret" in part] == []
    assert repr(telemetry).startswith("Telemetry('http://127.0.0.1:")
