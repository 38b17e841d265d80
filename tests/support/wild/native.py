"""Bodies of our own JSON, points and events, and of the source documents' four routes."""

from random import Random
from typing import Any

from services.gateway.intake.protocols import registry
from shared.model.event import MAX_ID, MAX_NAME, MAX_TYPE
from shared.model.funnel import EFFECT_CREATION
from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT
from shared.model.series import MAX_METRIC_BYTES, MAX_UNIT_BYTES
from tests.support.wild import edges
from tests.support.wild.wild_body import WildBody

VITALS = ("LCP", "INP", "FCP", "TTFB", "FID", "CLS")
STEPS = ("Image Upload", "effect-start", *EFFECT_CREATION.steps)


def points(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/telemetry`."""
    made = edges.items(chance, lambda: _point(chance, now_ms))
    body = {"points": made} | _beside(chance, now_ms)
    return WildBody(registry.POINTS, edges.written(body), len(made))


def events(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/events`."""
    made = edges.items(chance, lambda: _event(chance, now_ms))
    body = _sent_at(chance, now_ms) | {"events": made}
    return WildBody(registry.EVENTS, edges.written(body), len(made))


def metrics(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/analytics/performance/metrics`."""
    return _analytics(chance, registry.METRICS, "metrics", lambda: _metric(chance, now_ms))


def user_events(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/analytics/events`."""
    return _analytics(chance, registry.USER_EVENTS, "events", lambda: _user_event(chance, now_ms))


def steps(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/analytics/funnel`."""
    return _analytics(chance, registry.STEPS, "steps", lambda: _step(chance, now_ms))


def alerts(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/analytics/performance/alerts`."""
    return _analytics(chance, registry.CLIENT_ALERTS, "alerts", lambda: _alert(chance, now_ms))


def _beside(chance: Random, now_ms: int) -> dict[str, Any]:
    said = _sent_at(chance, now_ms)
    if edges.often(chance, 0.05):
        said["batch_id"] = f"b{chance.getrandbits(60)}"
    return said


def _sent_at(chance: Random, now_ms: int) -> dict[str, Any]:
    """When the client says that it sent the body, mostly not."""
    if edges.often(chance, 0.8):
        return {}
    wrong_by = chance.choice((0, 29_999, 30_001, -30_001, 3_600_000, -(10**9), 10**12, -(10**13)))
    return {
        "sent_at": chance.choice((now_ms + wrong_by, now_ms + wrong_by + 0.5, None, 2**63, -1e300, "soon"))
    }


def _point(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    if edges.often(chance, 0.15):
        return _histogram(chance, now_ms)
    return {
        "name": edges.text(chance, MAX_METRIC_BYTES, ("m", "n.o", "é"), 0.92), "value": edges.number(chance, 0.8),
    } | edges.fields(
        chance,
        {
            "ts": lambda source: edges.json_time(source, now_ms),
            "labels": lambda source: edges.labels(source, _label),
            "kind": lambda source: source.choice(("gauge", "delta", "cumulative")),
            "unit": lambda source: edges.text(source, MAX_UNIT_BYTES, ("s", "By", "1"), 0.9),
        },
        absent=0.3,
    ) | _rare(chance, now_ms)  # fmt: skip


def _rare(chance: Random, now_ms: int) -> dict[str, Any]:
    """The fields that few points have."""
    makers = {
        "weight": edges.weight,
        "sample_rate": edges.share,
        "start_ts": lambda source: edges.json_time(source, now_ms - 60_000),
        "distinct": lambda source: edges.text(source, 1024),
    }
    return edges.fields(chance, makers, absent=0.9)


def _histogram(chance: Random, now_ms: int) -> dict[str, Any]:
    size = chance.choice((0, 1, 2, 3, 10, 198, 199, 200))
    bounds: list[Any] = sorted(chance.uniform(-10, 100) for _ in range(size))
    counts: list[Any] = [chance.randint(0, 5) for _ in range(size + chance.choice((1, 1, 1, 1, 1, 0, 2)))]
    if bounds and edges.often(chance, 0.3):
        bounds[-1] = chance.choice(
            (MAX_MAGNITUDE, MAX_MAGNITUDE * 1.1, edges.MARK + "1e999" + edges.MARK, bounds[0])
        )
    if counts and edges.often(chance, 0.2):
        counts[chance.randrange(len(counts))] = chance.choice((MAX_WEIGHT, MAX_WEIGHT * 1.1, -1, 0.5, None))
    kind = chance.choice(("delta", "delta", "cumulative", "gauge"))
    said: dict[str, Any] = {"name": "h", "kind": kind, "histogram": {"bounds": bounds, "counts": counts}}
    if edges.often(chance, 0.05):
        said["value"] = 1
    return said | _rare(chance, now_ms)


def _label(chance: Random) -> Any:
    if edges.often(chance, 0.9):
        return edges.text(chance, 256, ("x", "y"), 0.9)
    return edges.anything(chance)


def _event(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    is_step = edges.often(chance, 0.1)
    return {
        "event_id": _id(chance),
        "type": "funnel_step" if is_step else edges.text(chance, MAX_TYPE, ("click", "Button Clicked"), 0.92),
    } | edges.fields(
        chance,
        {
            "name": lambda source: (
                source.choice(STEPS) if is_step else edges.text(source, MAX_NAME, ("n",), 0.9)
            ),
            "ts": lambda source: edges.json_time(source, now_ms),
            "session_id": lambda source: source.choice(
                (f"s{source.randrange(50)}", edges.text(source, MAX_ID))
            ),
            "user_id": lambda source: source.choice((42, "u", edges.text(source, MAX_ID))),
            "properties": lambda source: (
                {"funnel": "effect_creation"} if is_step else edges.properties(source)
            ),
        },
        absent=0.2,
    )


def _id(chance: Random) -> Any:
    made = f"{chance.getrandbits(100):x}"
    if edges.often(chance, 0.93):
        return made
    return chance.choice(
        (edges.text(chance, MAX_ID), chance.getrandbits(50), None, made + "é", made.upper(), 1.5)
    )


def _analytics(chance: Random, path: str, name: str, make: Any) -> WildBody:
    """One object, a list, or a list under a name."""
    made = edges.items(chance, make)
    if len(made) == 1 and edges.often(chance, 0.5):
        body: Any = made[0] if isinstance(made[0], dict) and name not in made[0] else made
    else:
        body = chance.choice((made, {name: made}))
    media = chance.choice((b"application/json", b"text/plain"))
    return WildBody(path, edges.written(body), len(made), media=media)


def vital(chance: Random, names: tuple[str, ...] = VITALS) -> dict[str, Any]:
    """A report of a web vital, with what pages see at their edges."""
    name = chance.choice((*names, "CLS"))
    value: Any = chance.choice(
        (0, 0.05, 1.5, 99.999999999, 100, 100.1) if name == "CLS" else (0, 250.4, 75_000, 900_000, 900_001)
    )
    if edges.often(chance, 0.1):
        value = edges.number(chance, 0.2)
    delta: Any = chance.choice((value, value, 0, 0.01, -0.5, None))
    return {"name": name, "value": value, "delta": delta} | edges.fields(
        chance,
        {
            "id": lambda source: f"v5-{source.getrandbits(40)}",
            "rating": lambda source: source.choice(("good", "needs-improvement", "poor", "superb")),
            "navigationType": lambda source: source.choice(
                ("navigate", "reload", "back-forward", "back-forward-cache", "prerender", "restore")
            ),
            "navigationURL": lambda source: "https://shop.example/" + edges.text(source, 240),
            "entries": lambda _: [{}],
        },
    )


def _metric(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    when = edges.fields(chance, {"timestamp": lambda source: edges.json_time(source, now_ms)})
    if edges.often(chance, 0.4):
        return vital(chance) | when
    kind = chance.choice(
        ("api", "api_response_time", "render", "resource", "operation", "memory", "cache", "other")
    )
    return {"type": kind, "value": edges.number(chance, 0.8)} | when | edges.fields(
        chance,
        {
            "name": lambda source: edges.text(source, 256),
            "unit": lambda source: source.choice(("ms", "s", "%", "By")),
            "endpoint": lambda source: "/api/" + edges.text(source, 250),
            "method": lambda source: source.choice(("get", "POST", 5)),
            "status": lambda source: source.choice((200, "404", 2.5, True)),
            "route": lambda source: "/" + edges.text(source, 250),
            "usedJSHeapSize": edges.number,
            "jsHeapSizeLimit": lambda source: source.choice((0, 10**9, 5e-324)),
            "hit": lambda source: source.choice((True, False, 1)),
            "id": lambda source: source.choice(("i", 5)),
        },
    )  # fmt: skip


def _user_event(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    return {"eventType": edges.text(chance, MAX_TYPE, ("click",), 0.92)} | _legacy(chance, now_ms)


def _step(chance: Random, now_ms: int) -> Any:
    step = chance.choice(STEPS) if edges.often(chance, 0.9) else edges.anything(chance)
    return {"step": step, "sessionId": f"s{chance.randrange(50)}"} | _legacy(chance, now_ms) | edges.fields(
        chance,
        {
            "funnel": lambda source: source.choice(("effect_creation", "Effect Creation", "other")),
            "revenue": edges.number,
        },
    )  # fmt: skip


def _alert(chance: Random, now_ms: int) -> Any:
    return {"alertType": edges.text(chance, MAX_NAME, ("slow",), 0.9)} | _legacy(chance, now_ms) | edges.fields(
        chance,
        {
            "severity": lambda source: source.choice(("info", "WARNING", "critical", "dire")),
            "message": lambda source: edges.text(source, 4096),
            "currentValue": edges.number,
            "threshold": edges.number,
            "resolved": lambda source: source.choice((True, False)),
        },
    )  # fmt: skip


def _legacy(chance: Random, now_ms: int) -> dict[str, Any]:
    return edges.fields(
        chance,
        {
            "eventId": _id,
            "timestamp": lambda source: edges.json_time(source, now_ms),
            "sessionId": lambda source: source.choice(
                (f"s{source.randrange(50)}", 7, edges.text(source, MAX_ID))
            ),
            "userId": lambda source: source.choice((42, "u", edges.text(source, MAX_ID))),
            "metadata": edges.properties,
        },
        absent=0.3,
    )
