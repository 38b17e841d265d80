"""What a client sends: bodies, batches and their sizes."""

import json
from collections.abc import Callable
from threading import Thread

import pytest

from tests.support.http.receiver import Receiver, Reply
from tidegauge_client import Rejection, Stats, Telemetry
from tidegauge_client.clock import now_ms

Make = Callable[..., Telemetry]
TELEMETRY, EVENTS = "/v1/telemetry", "/v1/events"


def test_a_plain_point_has_four_fields(client: Make, receiver: Receiver) -> None:
    """Defaults are left out: the gateway is quickest at these."""
    telemetry = client()
    telemetry.point("load", 1, ts_ms=1000)
    telemetry.point("load", 0.5, ts_ms=2000, labels={"core": "0"}, kind="delta", unit="s", weight=3)
    telemetry.point("visits", 1, ts_ms=3000, distinct="user-1")
    telemetry.flush()

    assert [
        {"name": "load", "value": 1.0, "ts": 1000, "labels": {}},
        {
            "name": "load", "value": 0.5, "ts": 2000, "labels": {"core": "0"},
            "kind": "delta", "unit": "s", "weight": 3,
        },
        {"name": "visits", "value": 1.0, "ts": 3000, "labels": {}, "distinct": "user-1"},
    ] == receiver.points  # fmt: skip


def test_running_totals_and_histograms_say_what_they_are(client: Make, receiver: Receiver) -> None:
    """A start where one was given, and buckets in place of a value."""
    telemetry = client()
    telemetry.point("requests", 7, ts_ms=1000, kind="cumulative", start_ms=500)
    telemetry.histogram("took", [0.1, 1], (3, 0, 2), ts_ms=2000, labels={"a": "b"}, unit="s", weight=2)
    telemetry.histogram("took", iter([1]), [3, 0], ts_ms=3000, kind="cumulative", start_ms=0)
    telemetry.flush()

    assert [
        {
            "name": "requests", "value": 7.0, "ts": 1000, "labels": {}, "kind": "cumulative",
            "start_ts": 500,
        },
        {
            "name": "took", "histogram": {"bounds": [0.1, 1], "counts": [3, 0, 2]}, "ts": 2000,
            "labels": {"a": "b"}, "kind": "delta", "unit": "s", "weight": 2,
        },
        {
            "name": "took", "histogram": {"bounds": [1], "counts": [3, 0]}, "ts": 3000, "labels": {},
            "kind": "cumulative", "start_ts": 0,
        },
    ] == receiver.points  # fmt: skip


def test_an_event_says_only_what_it_was_given(client: Make, receiver: Receiver) -> None:
    """Optional fields are absent, not null; its id is returned."""
    telemetry = client()
    made = telemetry.event("click", ts_ms=1000)
    telemetry.event(
        "click", "buy", event_id="e1", ts_ms=2000, session_id="s1", user_id="u1", properties={"n": [1]}
    )
    telemetry.flush()

    assert [
        {"event_id": made, "type": "click", "ts": 1000},
        {
            "event_id": "e1", "type": "click", "name": "buy", "ts": 2000, "session_id": "s1", "user_id": "u1",
            "properties": {"n": [1]},
        },
    ] == receiver.events  # fmt: skip


def test_a_funnel_step_is_an_event(client: Make, receiver: Receiver) -> None:
    """Its name is the step, its properties name the funnel."""
    telemetry = client()
    made = telemetry.funnel_step("image_upload", session_id="s1", ts_ms=1000, properties={"size": 7})
    telemetry.flush()

    assert [
        {
            "event_id": made, "type": "funnel_step", "name": "image_upload", "ts": 1000, "session_id": "s1",
            "properties": {"funnel": "effect_creation", "size": 7},
        }
    ] == receiver.events  # fmt: skip


def test_time_is_that_of_making(client: Make, receiver: Receiver) -> None:
    """However late a batch leaves, its points and events happened when they were made."""
    telemetry = client()
    before_ms = now_ms()
    telemetry.point("load", 1)
    telemetry.event("click")
    after_ms = now_ms()
    telemetry.flush()

    times = [item["ts"] for item in receiver.points + receiver.events]
    assert 2 == len(times)
    assert all(before_ms <= ts_ms <= after_ms for ts_ms in times)


def test_what_is_handed_over_is_a_copy(client: Make, receiver: Receiver) -> None:
    """The caller may use their mappings again."""
    telemetry = client()
    labels, properties = {"route": "a"}, {"list": [1]}
    telemetry.point("load", 1, labels=labels)
    telemetry.event("click", properties=properties)
    labels["route"] = "b"
    properties["list"].append(2)
    telemetry.flush()

    assert {"route": "a"} == receiver.points[0]["labels"]
    assert {"list": [1]} == receiver.events[0]["properties"]


def test_a_full_batch_leaves_at_once(client: Make, receiver: Receiver) -> None:
    """It does not wait for its time; what is left over does."""
    telemetry = client(batch_items=10)
    for value in range(25):
        telemetry.point("load", value)
    telemetry.flush()

    assert [10, 10, 5] == [len(request.items) for request in receiver.requests]
    assert list(range(25)) == [point["value"] for point in receiver.points]


def test_a_batch_leaves_after_its_time(client: Make, receiver: Receiver) -> None:
    """Nobody needs to flush."""
    client(batch_after_s=0.01).point("load", 1)

    assert receiver.arrived.wait(30)
    assert [1.0] == [point["value"] for point in receiver.points]


def test_a_large_batch_is_split_by_bytes(client: Make, receiver: Receiver) -> None:
    """No body is larger than the gateway takes, and nothing is lost or out of order."""
    telemetry = client()
    text = "x" * 8000
    ids = [telemetry.event("note", properties={"text": text}) for _ in range(300)]
    telemetry.flush()

    assert ids == [event["event_id"] for event in receiver.events]
    assert 4 == len({request.batch_id for request in receiver.requests})
    assert max(request.plain_bytes for request in receiver.requests) <= 900_000


def test_an_item_larger_than_a_body_is_dropped_alone(client: Make, receiver: Receiver) -> None:
    """Its neighbours arrive."""
    telemetry = client()
    kept = [telemetry.event("note"), telemetry.event("huge", properties={"text": "x" * 1_000_000})]
    kept.append(telemetry.event("note"))
    telemetry.flush()

    assert [kept[0], kept[2]] == [event["event_id"] for event in receiver.events]
    assert Stats(sent=2, dropped={"too_large": 1}) == telemetry.stats


def test_only_large_bodies_are_compressed(client: Make, receiver: Receiver) -> None:
    """A small one is a packet either way."""
    telemetry = client()
    telemetry.point("load", 1)
    telemetry.flush()
    for value in range(100):
        telemetry.point("load", value)
    telemetry.flush()

    assert [None, "gzip"] == [request.headers.get("content-encoding") for request in receiver.requests]
    assert 101 == len(receiver.points)


def test_a_request_bears_key_type_and_batch_id(client: Make, receiver: Receiver) -> None:
    """What the gateway asks for; a connection serves many requests."""
    telemetry = client()
    for value in range(3):
        telemetry.point("load", value)
        telemetry.flush()

    assert {("Bearer tg_w_secret", "application/json")} == {
        (request.headers["authorization"], request.headers["content-type"]) for request in receiver.requests
    }
    assert 3 == len({request.batch_id for request in receiver.requests})
    assert 1 == len({request.peer for request in receiver.requests})


def test_many_threads_may_call_at_once(client: Make, receiver: Receiver) -> None:
    """Each point arrives once."""
    telemetry = client()
    threads = [
        Thread(target=lambda first=first: [telemetry.point("n", first + at) for at in range(2000)])
        for first in range(0, 8000, 2000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    telemetry.flush(30)

    assert list(range(8000)) == sorted(point["value"] for point in receiver.points)
    assert Stats(sent=8000) == telemetry.stats


def test_a_text_that_is_no_unicode_spoils_nothing(client: Make, receiver: Receiver) -> None:
    """The name of a file may hold a lone surrogate; the others of the batch still arrive."""
    telemetry = client()
    telemetry.point("load", 1, labels={"file": "\udce4.txt"})
    telemetry.point("load", 2)
    telemetry.flush()

    assert [{"file": "?.txt"}, {}] == [point["labels"] for point in receiver.points]


@pytest.mark.parametrize("status", [202, 422])
def test_rejected_items_are_handed_back(client: Make, receiver: Receiver, status: int) -> None:
    """With the item, the code and the message; a failing callback harms nobody."""
    found: list[Rejection] = []

    def keep(rejection: Rejection) -> None:
        found.append(rejection)
        raise RuntimeError("a bug of the application")

    telemetry = client(on_rejected=keep)
    telemetry.point("good", 1, ts_ms=1)
    telemetry.point("bad", 2, ts_ms=2)
    rejected = [{"index": 1, "code": "invalid_name", "message": "name: no"}]
    if status == 422:
        rejected.insert(0, {"index": 0, "code": "ts_too_old", "message": "ts: no"})
    receiver.answer(TELEMETRY, Reply(status, {"accepted": 2 - len(rejected), "rejected": rejected}))
    telemetry.flush()
    telemetry.point("good", 3)
    telemetry.flush()
    telemetry.close()

    bad = {"name": "bad", "value": 2.0, "ts": 2, "labels": {}}
    assert Rejection("points", bad, "invalid_name", "name: no") == found[-1]
    assert len(rejected) == len(found)
    assert Stats(sent=3 - len(rejected), rejected=len(rejected)) == telemetry.stats


def test_a_rejected_event_is_handed_back_too(client: Make, receiver: Receiver) -> None:
    """As it was sent."""
    found: list[Rejection] = []
    telemetry = client(on_rejected=found.append)
    rejected = [{"index": 0, "code": "invalid_type", "message": "type: no"}]
    receiver.answer(EVENTS, Reply(422, {"accepted": 0, "rejected": rejected}))
    telemetry.event("click", event_id="e1", ts_ms=5)
    telemetry.close()

    event = {"event_id": "e1", "type": "click", "ts": 5}
    assert [Rejection("events", event, "invalid_type", "type: no")] == found
    assert json.dumps(event) == json.dumps(found[0].item)
