"""Bodies of beacons, of our browser client and of Grafana Faro."""

from random import Random
from typing import Any

from services.gateway.intake.protocols import registry
from shared.model.event import MAX_ID, MAX_NAME, MAX_TYPE
from tests.support.wild import edges
from tests.support.wild.native import STEPS, vital
from tests.support.wild.wild_body import WildBody

TEXT = b"text/plain"
STACK = "TypeError: x\n    at f (https://a/b.js:1:2)\ng@https://a/c.js:3:4\n"


def vitals(chance: Random, _: int) -> WildBody:
    """`POST /v1/vitals`."""
    made = edges.items(chance, lambda: _report(chance))
    body: Any = chance.choice((made, {"vitals": made}))
    if len(made) == 1 and isinstance(made[0], dict) and edges.often(chance, 0.5):
        body = made[0]
    return WildBody(registry.VITALS, edges.written(body), len(made), media=TEXT)


def _report(chance: Random) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    return vital(chance) | edges.fields(
        chance, {"seq": lambda source: source.choice((0, 1, 2, -1, 0.5))}, absent=0.6
    )


def browser(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/browser`."""
    made = edges.items(chance, lambda: _item(chance, now_ms))
    body = {"items": made, "batch_id": f"b{chance.getrandbits(60):x}"} | edges.fields(
        chance,
        {
            "session_id": lambda source: edges.text(source, MAX_ID, ("s-1",), 0.9),
            "user_id": lambda source: edges.text(source, MAX_ID, ("u",), 0.9),
            "release": lambda source: edges.text(source, 64),
            "environment": lambda _: "production",
            "sdk": lambda _: "tidegauge-browser/1",
            "user_agent": lambda source: edges.text(source, 512),
            "sample_rate": lambda source: source.choice((1, 0.5, 0.1, 1e-12, 5e-324, 1.0000001, 0)),
        },
        odd=0.01,
    )
    wrong_by = chance.choice((0, 0, 0, 29_999, -30_001, 3_600_000, -(10**13)))
    query = chance.choice(
        (b"", b"key=k&sent_at=%d" % (now_ms + wrong_by), b"sent_at=soon", b"sent_at=999999999999999")
    )
    return WildBody(registry.BROWSER, edges.written(body), len(made), media=TEXT, query=query)


def _item(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    kind = chance.choice(
        ("vital", "vital", "api", "resource", "operation", "render", "memory", "discarded", "error", "page_view",
         "step", "event", "other")
    )  # fmt: skip
    said = {
        "kind": kind,
        "id": f"{chance.getrandbits(100):x}",
        "ms": edges.number(chance),
        "value": chance.random(),
    }
    if kind == "vital":
        said |= vital(chance) | {"seq": chance.choice((0, 1, 2))}
    return said | edges.fields(
        chance,
        {
            "ts": lambda source: edges.json_time(source, now_ms),
            "page": lambda source: "https://shop.example/" + edges.text(source, 240) + "?q=1#f",
            "name": lambda source: edges.text(source, MAX_NAME),
            "endpoint": lambda _: "/api",
            "method": lambda source: source.choice(("get", "POST", 5)),
            "status": lambda source: source.choice((200, 0, "x", 1.5)),
            "count": edges.number,
            "reason": lambda source: edges.text(source, 256),
            "type": lambda source: edges.text(source, MAX_TYPE, ("TypeError", "click"), 0.8),
            "message": lambda source: edges.text(source, 4096),
            "handled": lambda source: source.choice((True, False, 1)),
            "stack": lambda source: STACK * source.choice((1, 400)),
            "step": lambda source: source.choice(STEPS),
            "funnel": lambda source: source.choice(("effect_creation", "other")),
            "properties": edges.properties,
        },
        odd=0.02,
        absent=0.2,
    ) if kind != "vital" else said  # fmt: skip


def faro(chance: Random, now_ms: int) -> WildBody:
    """`POST /collect/{key}`."""
    lists: dict[str, list[Any]] = {}
    for kind, make in _FARO.items():
        if edges.often(chance, 0.6):
            lists[kind] = edges.items(chance, lambda make=make: make(chance, now_ms))  # type: ignore[misc]
    size = sum(map(len, lists.values()))
    body: dict[str, Any] = {"meta": _meta(chance)} | lists
    if edges.often(chance, 0.1):
        body["traces"] = chance.choice((None, {}, {"resourceSpans": []}, {"resourceSpans": [{}]}))
        size += body["traces"] == {"resourceSpans": [{}]}
    return WildBody("/collect/{key}", edges.written(body), size)


def _meta(chance: Random) -> Any:
    return edges.fields(
        chance,
        {
            "session": lambda source: {"id": edges.text(source, MAX_ID, ("s-1",), 0.95)},
            "user": lambda source: {"id": edges.text(source, MAX_ID, ("u",), 0.95)},
            "page": lambda source: {"url": "https://shop.example/" + edges.text(source, 240)},
            "app": lambda source: {"name": "shop", "version": edges.text(source, 64)},
            "sdk": lambda _: {"name": "faro", "version": "2"},
            "browser": lambda source: {"userAgent": edges.text(source, 512)},
        },
        odd=0.01,
    )


def _when(chance: Random, now_ms: int) -> dict[str, Any]:
    return edges.fields(chance, {"timestamp": lambda source: _instant(source, now_ms)}, absent=0.2)


def _instant(chance: Random, now_ms: int) -> Any:
    """RFC 3339 is what Faro writes; numbers are taken too."""
    return edges.json_time(chance, now_ms)


def _measurement(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.3):
        values: Any = {edges.text(chance, 100): edges.number(chance) for _ in range(chance.randint(0, 4))}
        return {"type": edges.text(chance, 100), "values": values} | _when(chance, now_ms)
    report = vital(chance)
    values = {report["name"].lower(): report["value"]} | edges.fields(
        chance, {"delta": lambda _: report["delta"], "elementTiming": edges.number}, absent=0.2
    )
    context = edges.fields(
        chance,
        {
            "rating": lambda source: source.choice(("good", "poor")),
            "navigation_type": lambda source: source.choice(("navigate", "back-forward-cache", "prerender")),
            "id": lambda _: "v5-1",
        },
    )
    return {"type": "web-vitals", "values": values, "context": context} | _when(chance, now_ms)


def _faro_event(chance: Random, now_ms: int) -> Any:
    name = chance.choice(
        ("click", "faro.performance.resource", "faro.performance.navigation", "faro.tracing.fetch", "view_changed",
         "funnel_step", edges.text(chance, MAX_TYPE))
    )  # fmt: skip
    said = edges.fields(
        chance,
        {
            "duration": lambda source: source.choice(("12.5", "-1", "NaN", "1e999", "x", 5)),
            "duration_ns": lambda source: source.choice(("250000000", "0", "-5", "inf", "١")),
            "http.url": lambda _: "https://shop.example/pay?x=1",
            "http.method": lambda _: "POST",
            "http.status_code": lambda source: source.choice(("500", 500)),
            "name": lambda source: edges.text(source, 256),
            "fromView": lambda source: source.choice(("unknown", "a", "")),
            "toView": lambda source: edges.text(source, MAX_NAME),
            "step": lambda source: source.choice(STEPS),
        },
    )
    return {"name": name, "attributes": said} | _when(chance, now_ms)


def _exception(chance: Random, now_ms: int) -> Any:
    frames = [
        {
            "function": edges.text(chance, 256),
            "filename": edges.text(chance, 256),
            "lineno": chance.choice((1, 2.5, None)),
        }
        for _ in range(chance.choice((0, 1, 60)))
    ]
    return {"type": edges.text(chance, MAX_NAME, ("TypeError",), 0.9)} | _when(chance, now_ms) | edges.fields(
        chance,
        {
            "value": lambda source: edges.text(source, 4096),
            "fatal": lambda source: source.choice((True, False, 1)),
            "stacktrace": lambda _: {"frames": frames},
            "context": edges.properties,
        },
    )  # fmt: skip


def _log(chance: Random, now_ms: int) -> Any:
    return {"message": edges.text(chance, 4096)} | _when(chance, now_ms) | edges.fields(
        chance,
        {"level": lambda source: source.choice(("info", "WARN", "\0")), "context": edges.properties},
    )  # fmt: skip


_FARO: dict[str, Any] = {
    "measurements": _measurement, "events": _faro_event, "exceptions": _exception, "logs": _log,
}  # fmt: skip
