"""Response times of applications made with each framework: by the route as it is written there, below mounts too."""

import asyncio
import sys
from collections.abc import Iterable
from contextlib import closing, suppress
from types import ModuleType
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.support.http.receiver import Receiver
from tidegauge_client import ASGIMiddleware, Telemetry, WSGIMiddleware

Asked = tuple[str, str]
"""Method and path."""


def reported(telemetry: Telemetry, receiver: Receiver) -> list[tuple[str, str, str]]:
    """Endpoint, method and status of each request, once they have arrived."""
    assert telemetry.flush(10)
    labels = [point["labels"] for point in receiver.points]
    return [(each["endpoint"], each["method"], each["status"]) for each in labels]


def over_wsgi(app: Any, asked: Iterable[Asked]) -> None:
    """Ask as a server does: read the body, close it."""
    for method, path in asked:
        environ = {
            "PATH_INFO": path.encode().decode("latin-1"),
            "REQUEST_METHOD": method,
            "QUERY_STRING": "a=b",
        }
        setup_testing_defaults(environ)
        with suppress(ZeroDivisionError), closing(app(environ, lambda *_: None)) as body:
            b"".join(body)


def over_asgi(app: Any, asked: Iterable[Asked], root_path: str = "") -> None:
    """Ask as a server does, behind a proxy that has taken this path away or not."""

    async def one(method: str, path: str) -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.Event().wait()

        async def send(_: Any) -> None:
            pass

        scope = {
            "type": "http", "method": method, "path": root_path + path, "raw_path": path.encode(),
            "query_string": b"a=b", "headers": [(b"host", b"shop.example")], "root_path": root_path,
            "scheme": "http", "server": ("shop.example", 80), "client": ("127.0.0.1", 1),
            "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        with suppress(ZeroDivisionError):
            await app(scope, receive, send)

    async def all_of_them() -> None:
        for method, path in asked:
            await one(method, path)

    asyncio.run(all_of_them())


@pytest.mark.parametrize("root_path", ["", "/behind"])
def test_fastapi_is_measured_by_route(reporting: Telemetry, receiver: Receiver, root_path: str) -> None:
    """With the prefixes of its routers, which the route itself has not, and with mounts as they are written."""
    orders = APIRouter(prefix="/orders")
    orders.get("/{number}")(lambda number: {"number": number})
    items = APIRouter(prefix="/items")
    items.get("/{number}")(lambda number: {"zero": int(number) / 0})
    app, below = FastAPI(), FastAPI()
    app.include_router(orders, prefix="/v1")
    app.include_router(items, prefix="/v1")
    app.mount("/of/{tenant}", below)
    below.get("/things/{name:path}")(lambda name: name)
    asked = [
        ("GET", "/v1/orders/1"), ("GET", "/v1/items/1"), ("POST", "/v1/orders/1"), ("GET", "/of/acme/things/1/2"),
        ("GET", "/of/acme/nothing"), ("GET", "/nowhere/4711"), ("BREW", "/v1/orders/1"),
    ]  # fmt: skip

    over_asgi(ASGIMiddleware(app, reporting), asked, root_path)

    assert [
        ("/v1/orders/{number}", "GET", "200"), ("/v1/items/{number}", "GET", "500"),
        ("/v1/orders/{number}", "POST", "405"),
        ("/of/{tenant}/things/{name:path}", "GET", "200"), ("unmatched", "GET", "404"), ("unmatched", "GET", "404"),
        ("/v1/orders/{number}", "_OTHER", "405"),
    ] == reported(reporting, receiver)  # fmt: skip


def test_starlette_is_measured_by_route(reporting: Telemetry, receiver: Receiver) -> None:
    """A part of the path that equals a parameter stays as it is; middleware of its own changes nothing."""

    async def answer(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"{1 / int(request.path_params['n'])}")

    async def through(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    async def foreign(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 203, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = Starlette(
        routes=[
            Route("/1/{n:int}", answer),
            Mount("/api/{t}", routes=[Route("/{n}", answer), Mount("/raw", foreign)]),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=through)],
    )
    asked = [("GET", path) for path in ("/1/1", "/1/0", "/api/1/1", "/api/1/raw/x/y", "/api/1/1/1", "/")]

    over_asgi(ASGIMiddleware(app, reporting), asked)

    assert [
        ("/1/{n:int}", "GET", "200"), ("/1/{n:int}", "GET", "500"), ("/api/{t}/{n}", "GET", "200"),
        ("/api/{t}/raw", "GET", "203"), ("unmatched", "GET", "404"), ("unmatched", "GET", "404"),
    ] == reported(reporting, receiver)  # fmt: skip


@pytest.mark.usefixtures("_frameworks")
def test_flask_is_measured_by_rule(reporting: Telemetry, receiver: Receiver) -> None:
    """Of its blueprints too; an error that Flask answers, and one in the midst of a body."""
    import flask  # noqa: PLC0415  installed for this test

    app, shop = flask.Flask("shop"), flask.Blueprint("shop", "shop", url_prefix="/shop")
    shop.get("/items/<int:number>")(lambda number: str(1 / number))
    app.get("/breaks")(lambda: flask.Response(str(1 / each) for each in (1, 0)))
    app.register_blueprint(shop)
    app.logger.disabled = True
    app.wsgi_app = WSGIMiddleware(app.wsgi_app, reporting)
    asked = (
        ("GET", "/shop/items/1"),
        ("GET", "/shop/items/0"),
        ("GET", "/breaks"),
        ("POST", "/x"),
        ("GET", "/ä"),
    )

    over_wsgi(app, asked)

    assert [
        ("/shop/items/<int:number>", "GET", "200"), ("/shop/items/<int:number>", "GET", "500"),
        ("/breaks", "GET", "500"),
        ("unmatched", "POST", "404"), ("unmatched", "GET", "404"),
    ] == reported(reporting, receiver)  # fmt: skip


def django_urls() -> ModuleType:
    """The module of the routes of a Django application."""
    from django.http import HttpResponse  # noqa: PLC0415  installed for this test
    from django.urls import include, path  # noqa: PLC0415

    def answer(_: Any, number: int = 1) -> HttpResponse:
        return HttpResponse(str(1 / number))

    made = ModuleType("django_urls")
    made.urlpatterns = [
        path("shop/", include([path("items/<int:number>/", answer)])),
        path("ü/<str:name>", lambda _, name: HttpResponse(name)),
    ]
    return made


@pytest.mark.usefixtures("_frameworks")
@pytest.mark.parametrize("gate", ["wsgi", "asgi"])
def test_django_is_measured_by_route(reporting: Telemetry, receiver: Receiver, gate: str) -> None:
    """By either gate, with what its routes include."""
    import django  # noqa: PLC0415  installed for this test
    from django.conf import settings  # noqa: PLC0415
    from django.core.asgi import get_asgi_application  # noqa: PLC0415
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="django_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="-", LOGGING_CONFIG=None, USE_TZ=True
        )
        sys.modules["django_urls"] = django_urls()
        django.setup()
    asked = [("GET", path) for path in ("/shop/items/1/", "/shop/items/0/", "/ü/x", "/nowhere")]

    if gate == "wsgi":
        over_wsgi(WSGIMiddleware(get_wsgi_application(), reporting), asked)
    else:
        over_asgi(ASGIMiddleware(get_asgi_application(), reporting), asked)

    assert [
        ("/shop/items/<int:number>/", "GET", "200"), ("/shop/items/<int:number>/", "GET", "500"),
        ("/ü/<str:name>", "GET", "200"), ("unmatched", "GET", "404"),
    ] == reported(reporting, receiver)  # fmt: skip


@pytest.mark.usefixtures("_frameworks")
@pytest.mark.parametrize("gate", ["wsgi", "asgi"])
def test_falcon_is_measured_by_template(reporting: Telemetry, receiver: Receiver, gate: str) -> None:
    """By either gate; a sink has no template."""
    import falcon  # noqa: PLC0415  installed for this test
    import falcon.asgi  # noqa: PLC0415

    class Items:
        def on_get(self, _: Any, resp: Any, number: str) -> None:
            resp.text = str(1 / int(number))

    class AsyncItems:
        async def on_get(self, _: Any, resp: Any, number: str) -> None:
            resp.text = str(1 / int(number))

    asked = [("GET", "/items/1"), ("GET", "/items/0"), ("PUT", "/items/1"), ("GET", "/nowhere")]
    if gate == "wsgi":
        app = falcon.App()
        app.add_route("/items/{number}", Items())
        over_wsgi(WSGIMiddleware(app, reporting), asked)
    else:
        asgi = falcon.asgi.App()
        asgi.add_route("/items/{number}", AsyncItems())
        over_asgi(ASGIMiddleware(asgi, reporting), asked)

    assert [
        ("/items/{number}", "GET", "200"), ("/items/{number}", "GET", "500"), ("/items/{number}", "PUT", "405"),
        ("unmatched", "GET", "404"),
    ] == reported(reporting, receiver)  # fmt: skip


def test_a_route_that_cannot_be_found_spoils_no_answer(
    reporting: Telemetry, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """What the application gives as `route_of` may fail: the answer goes out and is counted, and the log says so."""
    said: list[str] = []

    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    wrapped = WSGIMiddleware(app, reporting, route_of=lambda environ: environ["NO_SUCH"])
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    body = wrapped(environ, lambda status, _: said.append(status))
    body.close()

    assert (["204 No Content"], [("unmatched", "GET", "204")]) == (said, reported(reporting, receiver))
    assert {"the route of a request is not found"} == set(caplog.messages)
