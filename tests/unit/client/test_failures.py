"""What becomes of a batch when the gateway refuses, stalls or is away."""

import logging
import socket
from collections.abc import Callable
from threading import Event

import pytest

from tests.support.http.receiver import Receiver, Reply
from tests.support.wait import until
from tidegauge_client import Stats, Telemetry
from tidegauge_client.delivery.answer import Again, Answer, Refused, Settled, TooLarge, Verdict, verdict
from tidegauge_client.delivery.backoff import Backoff

Make = Callable[..., Telemetry]
TELEMETRY, EVENTS = "/v1/telemetry", "/v1/events"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Reply(408, {}), id="too slow"),
        pytest.param(Reply(429, {}), id="over the allowance"),
        pytest.param(Reply(500, {}), id="a bug there"),
        pytest.param(Reply(503, {"code": "no_ack", "outcome": "unknown"}), id="no ack in time"),
        pytest.param(Reply(0, hang_up=True), id="hangs up"),
    ],
)
def test_a_batch_keeps_its_id_over_repeats(client: Make, receiver: Receiver, failure: Reply) -> None:
    """The gateway can tell a repeat from a new batch."""
    telemetry = client()
    receiver.answer(TELEMETRY, failure, failure, failure)
    telemetry.point("load", 1)
    settled = telemetry.flush(30)
    telemetry.point("load", 2)
    telemetry.flush()

    ids = [request.batch_id for request in receiver.requests]
    assert settled
    assert [1.0] * 4 + [2.0] == [point["value"] for point in receiver.points]
    assert (1, 2) == (len(set(ids[:4])), len(set(ids)))
    assert (2, 0) == (telemetry.stats.sent, telemetry.stats.queued)


def test_a_connection_that_was_closed_while_idle_is_made_anew(client: Make, receiver: Receiver) -> None:
    """That is no failure: nothing is counted as repeated."""
    telemetry = client()
    telemetry.point("load", 1)
    telemetry.flush()
    receiver.answer(TELEMETRY, Reply(0, hang_up=True))
    telemetry.point("load", 2)
    telemetry.flush()

    assert Stats(sent=2) == telemetry.stats
    assert [1.0, 2.0, 2.0] == [point["value"] for point in receiver.points]


def test_a_gateway_that_comes_late_gets_everything(client: Make, receiver: Receiver) -> None:
    """Nothing is lost while it refuses, and order is kept."""
    telemetry = client(batch_items=2)
    receiver.answer(TELEMETRY, *[Reply(503, {})] * 5)
    for value in range(7):
        telemetry.point("load", value)
    telemetry.flush(30)

    assert Stats(sent=7, retries=5) == telemetry.stats
    assert list(range(7)) == [point["value"] for point in receiver.points[5 * 2 :]]


def test_it_never_comes_back_before_it_was_told_to(client: Make, receiver: Receiver) -> None:
    """Not even for a flush: a batch that would be too old by then is given up, the next one waits too."""
    telemetry = client(batch_items=1, max_age_s=20)
    receiver.answer(TELEMETRY, Reply(429, {}, {"Retry-After": "30"}))
    telemetry.point("load", 1)
    first = telemetry.flush(30)
    telemetry.point("load", 2)
    second = telemetry.flush(0.1)

    assert (True, False) == (first, second)
    assert [1.0] == [point["value"] for point in receiver.points]
    assert Stats(queued=1, dropped={"too_old": 1}) == telemetry.stats


def test_a_flush_does_not_sit_out_a_pause(client: Make, receiver: Receiver) -> None:
    """Only what the gateway asked for is waited; our own caution is not."""
    telemetry = client(retry_first_s=1e6, retry_longest_s=1e6, max_age_s=1e9)
    receiver.answer(TELEMETRY, Reply(503, {}))
    telemetry.point("load", 1)

    assert telemetry.flush(60)
    assert Stats(sent=1, retries=1) == telemetry.stats


def test_a_batch_that_is_too_large_is_halved(client: Make, receiver: Receiver) -> None:
    """Each half under an id of its own, down to one item, which is dropped."""
    telemetry = client()
    receiver.answer(TELEMETRY, *[Reply(413, {})] * 3)
    for value in range(4):
        telemetry.point("load", value)
    telemetry.flush()

    bodies = [[int(point["value"]) for point in request.items] for request in receiver.requests]
    assert [[0, 1, 2, 3], [0, 1], [0], [1], [2, 3]] == bodies
    assert 5 == len({request.batch_id for request in receiver.requests})
    assert Stats(sent=3, dropped={"too_large": 1}) == telemetry.stats


@pytest.mark.parametrize("status", [400, 401, 403, 404, 421, 301])
def test_a_refused_batch_is_dropped(
    client: Make, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted, and logged with the answer's words but without the key; redirects are not followed."""
    telemetry = client()
    elsewhere = {"Location": f"{receiver.url}/elsewhere"}
    problem = {"code": "unauthorised", "message": "not with tg_w_secret"}
    receiver.answer(TELEMETRY, Reply(status, problem, elsewhere))
    telemetry.point("load", 1)
    telemetry.flush()

    assert Stats(dropped={"refused": 1}) == telemetry.stats
    assert [TELEMETRY] == [request.path for request in receiver.requests]
    assert [f"1 points dropped (refused): {status} unauthorised not with ***"] == caplog.messages


def test_a_warning_is_told_once_a_minute(
    client: Make, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """The items are sent all the same, and nothing is repeated."""
    telemetry = client(batch_items=1)
    warned = {"code": "series_limit", "points": 1, "message": "too many series"}
    receiver.answer(TELEMETRY, *[Reply(202, {"accepted": 1, "rejected": [], "warnings": [warned]})] * 3)
    for value in range(3):
        telemetry.point("load", value)
    telemetry.flush()

    assert Stats(sent=3) == telemetry.stats
    assert ["1 points taken with a warning: series_limit too many series"] == caplog.messages


def test_the_log_is_not_flooded(client: Make, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """A line a minute for each thing that goes wrong."""
    telemetry = client(batch_items=1)
    receiver.answer(TELEMETRY, *[Reply(503, {"code": "unavailable", "message": "kafka"})] * 3)
    receiver.answer(TELEMETRY, *[Reply(400, {})] * 3)
    with caplog.at_level(logging.DEBUG):
        for value in range(5):
            telemetry.point("load", value)
        telemetry.flush(30)

    assert [
        "1 points to be sent again: 503 unavailable kafka",
        "1 points dropped (refused): 400",
    ] == caplog.messages


def test_a_full_queue_drops_the_oldest(client: Make, receiver: Receiver) -> None:
    """What is under way is not touched; each one dropped is counted."""
    release = Event()
    telemetry = client(batch_items=1, max_queue=3)
    receiver.answer(TELEMETRY, Reply(202, release=release))
    telemetry.point("load", 0)
    assert receiver.arrived.wait(30)
    for value in range(1, 11):
        telemetry.point("load", value)
    full = telemetry.stats
    release.set()
    telemetry.flush()

    assert Stats(queued=4, dropped={"queue_full": 7}) == full
    assert [0, 8, 9, 10] == [point["value"] for point in receiver.points]


@pytest.mark.parametrize(
    ("waiting", "dropped"),
    [
        pytest.param(2, {}, id="below"),
        pytest.param(3, {}, id="at"),
        pytest.param(4, {"queue_full": 1}, id="above"),
    ],
)
def test_a_queue_holds_as_many_as_it_may(
    client: Make, receiver: Receiver, waiting: int, dropped: dict[str, int]
) -> None:
    """Beside the one that is under way."""
    release = Event()
    telemetry = client(batch_items=1, max_queue=3)
    receiver.answer(TELEMETRY, Reply(202, release=release))
    telemetry.point("load", 0)
    assert receiver.arrived.wait(30)

    for value in range(waiting):
        telemetry.point("load", value)
    full = telemetry.stats
    release.set()

    assert Stats(queued=1 + min(waiting, 3), dropped=dropped) == full


def test_a_stuck_signal_does_not_hold_the_other(client: Make, receiver: Receiver) -> None:
    """Events go out while a request with points hangs."""
    release = Event()
    telemetry = client(batch_after_s=0.01)
    receiver.answer(TELEMETRY, Reply(202, release=release))
    telemetry.point("load", 1)
    assert receiver.arrived.wait(30)
    receiver.arrived.clear()
    telemetry.event("click")

    assert receiver.arrived.wait(30)
    assert 1 == len(receiver.events)
    release.set()
    assert telemetry.flush(30)


async def test_nobody_at_home_is_no_error_of_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    """The call returns, the flush says no, and what is left when it is closed is counted."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    telemetry = Telemetry(f"http://127.0.0.1:{port}", "key", retry_first_s=0.01)
    telemetry.point("load", 1)
    flushed = telemetry.flush(0.3)
    waiting = telemetry.stats
    telemetry.close(0.1)
    telemetry.point("load", 2)

    assert (False, 1) == (flushed, waiting.queued)
    assert waiting.retries > 0

    async def counted() -> bool:
        return telemetry.stats == Stats(dropped={"closed": 2}, retries=telemetry.stats.retries)

    await until(counted, "all is counted as closed")
    assert "ConnectionRefusedError" in caplog.text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Answer(202, None, b'{"accepted":2,"rejected":[]}'), Settled([]), id="accepted"),
        pytest.param(Answer(202, None, b"<html>"), Settled([]), id="accepted, without a body"),
        pytest.param(
            Answer(
                202, None, b'{"accepted":2,"rejected":[],"warnings":[{"code":"c","points":2,"message":"m"}]}'
            ),
            Settled([], [("c", 2, "m")]),
            id="with a warning",
        ),
        pytest.param(
            Answer(202, None, b'{"warnings":[1,{},{"points":9},{"points":[]},{"code":3,"points":1}]}'),
            Settled([], [("", 1, "")]),
            id="with odd warnings",
        ),
        pytest.param(
            Answer(202, None, b'{"rejected":[{"index":1,"code":"c","message":"m"},{"index":9},7]}'),
            Settled([(1, "c", "m")]),
            id="one rejected, and places that do not exist",
        ),
        pytest.param(
            Answer(422, None, b'{"code": "idempotency_conflict", "message": "no"}'),
            Refused("422 idempotency_conflict no"),
            id="key of another body",
        ),
        pytest.param(Answer(422, None, b"{}"), Settled([(0, "", ""), (1, "", "")]), id="all rejected"),
        pytest.param(Answer(503, "7", b"{}"), Again(7.0, "503"), id="come again later"),
        pytest.param(
            Answer(429, "Wed, 21 Oct 2026", b"[]"), Again(0.0, "429", in_doubt=False), id="a date is no pause"
        ),
        pytest.param(
            Answer(429, "-1", b"[]"), Again(0.0, "429", in_doubt=False), id="nor is a negative number"
        ),
        pytest.param(
            Answer(503, None, b'{"outcome":"not_accepted"}'),
            Again(0.0, "503", in_doubt=False),
            id="not taken",
        ),
        pytest.param(Answer(503, None, b'{"outcome":"unknown"}'), Again(0.0, "503"), id="in doubt"),
        pytest.param(Answer(502, "9" * 5000, b""), Again(3600.0, "502"), id="a pause has a bound"),
        pytest.param(
            Answer(413, None, b'{"code":"body_too_large"}'), TooLarge("413 body_too_large"), id="413"
        ),
        pytest.param(Answer(200, None, b"welcome"), Refused("200"), id="not our gateway"),
    ],
)
def test_every_answer_has_a_verdict(answer: Answer, expected: Verdict) -> None:
    """Four verdicts on a batch of two items."""
    assert expected == verdict(answer, 2)


def test_pauses_grow_up_to_a_bound_and_begin_anew() -> None:
    """Each is drawn between nothing and a bound that doubles, and is added to what the gateway asked for."""
    backoff = Backoff(0.25, 30.0)
    bounds = [0.25 * 2**at for at in range(7)] + [30.0] * 3
    pauses = [backoff.pause_s(0.0) for _ in bounds]
    asked = backoff.pause_s(40.0)
    backoff.reset()

    assert all(0 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))
    assert len(pauses) == len(set(pauses))
    assert 40.0 < asked <= 40.0 + 30.0
    assert backoff.pause_s(0.0) <= 0.25
