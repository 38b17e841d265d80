"""What saves an application from writing points itself: counts, times, middleware, and its log."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.support.http.receiver import Receiver, Reply
from tidegauge_client import ASGIMiddleware, Telemetry, TelemetryHandler, WSGIMiddleware

Make = Callable[..., Telemetry]


@pytest.fixture
def telemetry(client: Make) -> Telemetry:
    """A client that sends when it is told to."""
    return client()


def points(telemetry: Telemetry, receiver: Receiver) -> list[dict[str, Any]]:
    """All points, once they have arrived."""
    assert telemetry.flush(10)
    return [point for request in receiver.at("/v1/telemetry") for point in request.items]


def events(telemetry: Telemetry, receiver: Receiver) -> list[dict[str, Any]]:
    """All events, once they have arrived."""
    assert telemetry.flush(10)
    return [event for request in receiver.at("/v1/events") for event in request.items]


def test_an_increment_is_summed_and_a_timing_is_in_seconds(telemetry: Telemetry, receiver: Receiver) -> None:
    """Both are of kind delta, so that windows hold sums and quantiles of them."""
    telemetry.increment("orders")
    telemetry.increment("orders", 3, labels={"shop": "a"})
    telemetry.timing("checkout.seconds", 0.25)

    found = points(telemetry, receiver)

    assert [("orders", 1.0, ""), ("orders", 3.0, ""), ("checkout.seconds", 0.25, "s")] == [
        (each["name"], each["value"], each.get("unit", "")) for each in found
    ]
    assert {"delta"} == {each["kind"] for each in found}


def test_blocks_functions_and_coroutines_are_timed_until_they_end(
    telemetry: Telemetry, receiver: Receiver
) -> None:
    """What raises too; a coroutine is not done when it has been made."""
    turn = threading.Event()

    @telemetry.timed("function")
    def fails() -> None:
        raise ValueError

    @telemetry.timed("coroutine")
    async def waits() -> str:
        await asyncio.to_thread(turn.wait, 10)
        return "done"

    async def both() -> list[str]:
        running = [asyncio.create_task(waits()) for _ in range(2)]
        await asyncio.sleep(0)
        assert 3 == telemetry.stats.queued
        turn.set()
        return [await each for each in running]

    with telemetry.timed("block"), telemetry.timed("inner", labels={"k": "v"}):
        pass
    with pytest.raises(ValueError):  # noqa: PT011 - its own
        fails()
    assert ["done", "done"] == asyncio.run(both())

    found = points(telemetry, receiver)
    assert ["inner", "block", "function", "coroutine", "coroutine"] == [each["name"] for each in found]
    assert all(each["value"] >= 0 for each in found)


async def _asked(app: Any, path: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        pass

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "root_path": "", "scheme": "http", "server": ("x", 80), "client": ("y", 1), "http_version": "1.1",
    }  # fmt: skip
    await app(scope, receive, send)


async def test_an_asgi_application_is_timed_by_route(telemetry: Telemetry, receiver: Receiver) -> None:
    """FastAPI's and Starlette's; what no route answers is one endpoint, and an exception is a 500."""
    fast = FastAPI()
    fast.get("/orders/{number}")(lambda number: {"number": number})

    async def item(request: Any) -> PlainTextResponse:
        if request.path_params["name"] == "broken":
            raise ZeroDivisionError
        return PlainTextResponse("ok")

    bare = Starlette(routes=[Route("/items/{name}", item)])
    await _asked(ASGIMiddleware(fast, telemetry), "/orders/17")
    await _asked(ASGIMiddleware(fast, telemetry), "/nowhere/4711")
    await _asked(ASGIMiddleware(bare, telemetry), "/items/blue")
    with pytest.raises(ZeroDivisionError):
        await _asked(ASGIMiddleware(bare, telemetry), "/items/broken")

    found = [each["labels"] for each in await asyncio.to_thread(points, telemetry, receiver)]
    assert [
        {"endpoint": "/orders/{number}", "method": "GET", "status": "200"},
        {"endpoint": "unmatched", "method": "GET", "status": "404"},
        {"endpoint": "/items/{name}", "method": "GET", "status": "200"},
        {"endpoint": "/items/{name}", "method": "GET", "status": "500"},
    ] == found


def test_a_wsgi_application_is_timed_until_its_body_is_closed(
    telemetry: Telemetry, receiver: Receiver
) -> None:
    """Also one that raises, and one whose body nobody reads."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise ZeroDivisionError
        start_response("204 No Content", [])
        return []

    wrapped = WSGIMiddleware(app, telemetry, route_of=lambda environ: environ["PATH_INFO"])
    environ: dict[str, Any] = {"PATH_INFO": "/thing"}
    setup_testing_defaults(environ)
    body: Any = wrapped(environ, lambda *_: None)
    assert 0 == telemetry.stats.queued
    body.close()
    body.close()
    with pytest.raises(ZeroDivisionError):
        wrapped(environ | {"PATH_INFO": "/broken"}, lambda *_: None)

    found = [each["labels"] for each in points(telemetry, receiver)]
    assert [("/thing", "204"), ("/broken", "500")] == [(each["endpoint"], each["status"]) for each in found]


def test_lines_of_the_log_are_events(telemetry: Telemetry, receiver: Receiver) -> None:
    """With the exception that they bear; lines of the client itself are not."""
    log, own = logging.getLogger("shop.cart"), logging.getLogger("tidegauge_client")
    handler = TelemetryHandler(telemetry)
    for one in (log, own):
        one.addHandler(handler)
    try:
        log.info("below the level")
        log.warning("%d left", 3)
        own.error("a batch was dropped")
        try:
            {}["x"]
        except KeyError:
            log.exception("no such thing")
    finally:
        for one in (log, own):
            one.removeHandler(handler)

    line, error = events(telemetry, receiver)
    assert ("log", {"level": "warning", "message": "3 left", "attributes": {"logger": "shop.cart"}}) == (
        line["type"], line["properties"],
    )  # fmt: skip
    assert ("error", "KeyError", "error", True) == (
        error["type"], error["name"], error["properties"]["level"], error["properties"]["handled"],
    )  # fmt: skip
    assert "test_lines_of_the_log_are_events" == error["properties"]["stack"][0]["function"]


async def test_the_loop_goes_on_while_a_client_flushes_and_closes(client: Make, receiver: Receiver) -> None:
    """A gateway that takes its time holds nobody else up."""
    slow = threading.Event()
    receiver.answer("/v1/telemetry", Reply(202, release=slow))
    async with client() as telemetry:
        telemetry.point("load", 1)
        flushing = asyncio.create_task(telemetry.flush_async(10))
        assert await asyncio.to_thread(receiver.arrived.wait, 10)
        assert not flushing.done()
        slow.set()
        assert await flushing

    assert (1, True) == (telemetry.stats.sent, telemetry.close())


def test_a_signal_handler_that_reports_while_the_thread_starts_starts_no_second(
    telemetry: Telemetry, receiver: Receiver
) -> None:
    """Two threads on one connection once lost 500 points: sentry-python#803."""
    reported = []

    def interrupt(frame: Any, what: str, _: Any) -> None:
        if what == "call" and frame.f_code is threading.Thread.start.__code__ and not reported:
            reported.append(True)
            telemetry.point("of.the.handler", 2)

    before = set(threading.enumerate())
    sys.setprofile(interrupt)
    try:
        telemetry.point("first", 1)
    finally:
        sys.setprofile(None)
    new = [each.name for each in set(threading.enumerate()) - before if each.name == "tidegauge-points"]

    assert (["tidegauge-points"], [True]) == (new, reported)
    assert {"first", "of.the.handler"} == {each["name"] for each in points(telemetry, receiver)}
