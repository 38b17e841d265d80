"""Envelopes of Sentry's SDKs. Their records are numbered through: an error is one, a list has one an element."""

from random import Random
from typing import Any, NamedTuple

from tests.support.wild import edges
from tests.support.wild.wild_body import WildBody

STATUSES = ("ok", "exited", "crashed", "errored", "\0")


class _Item(NamedTuple):
    """An item of an envelope."""

    type: str
    payload: Any
    records: int = 1
    may_be_silent: bool = False
    """A span that is no answer to a request has nothing that is kept."""


def envelope(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/{project}/envelope/`."""
    header = edges.fields(
        chance,
        {
            "sent_at": lambda source: edges.json_time(source, now_ms),
            "sdk": lambda _: {"name": "sentry.javascript.browser", "version": "10"},
            "trace": lambda source: {"release": edges.text(source, 200), "environment": "production"},
        },
        odd=0.01,
    )
    lines, silent, size = [edges.written(header)], set[int](), 0
    for _ in range(chance.choice((1, 1, 2, 4))):
        item = _MAKERS[chance.randrange(len(_MAKERS))](chance, now_ms)
        payload = edges.written(item.payload)
        said: dict[str, Any] = {"type": item.type}
        if edges.often(chance, 0.7):
            said["length"] = len(payload)
        lines += [edges.written(said), payload]
        if item.may_be_silent:
            silent |= set(range(size, size + item.records))
        size += item.records
    query = b"sentry_key=k&sentry_version=7"
    return WildBody("/api/{project}/envelope/", b"\n".join(lines), size, silent, b"", query=query)


def store(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/{project}/store/`."""
    item = _error(chance, now_ms)
    return WildBody(
        "/api/{project}/store/",
        edges.written(item.payload),
        1,
        (),
        b"application/json",
        query=b"sentry_key=k",
    )


def _seconds(chance: Random, now_ms: int) -> Any:
    return chance.choice((edges.time_ms(chance, now_ms) / 1000, edges.json_time(chance, now_ms)))


def _text(limit: int, *plain: str) -> Any:
    return lambda source: edges.text(source, limit, plain or ("a",), 0.85)


def _error(chance: Random, now_ms: int) -> _Item:
    frames = [{"function": "f", "filename": edges.text(chance, 300), "lineno": 5}] * chance.choice(
        (0, 1, 120)
    )
    thrown = {"type": edges.text(chance, 200, ("TypeError",), 0.9), "value": edges.text(chance, 4096)}
    makers = {
        "timestamp": lambda source: _seconds(source, now_ms),
        "level": lambda source: source.choice(("error", "info", "fatal", "debug")),
        "exception": lambda _: {"values": [thrown | {"stacktrace": {"frames": frames}}]},
        "message": _text(4096),
        "logentry": lambda _: {"formatted": "hello"},
        "release": _text(200), "environment": _text(64), "transaction": _text(200),
        "tags": edges.labels,
        "user": lambda source: {"id": source.choice((5, "u", edges.text(source, 128)))},
        "request": lambda _: {"url": "https://shop.example/?q=1", "headers": {"User-Agent": "x"}},
        "contexts": lambda source: {"trace": {"trace_id": edges.text(source, 64)}},
    }  # fmt: skip
    return _Item(
        "event", {"event_id": f"{chance.getrandbits(128):032x}"} | edges.fields(chance, makers, odd=0.02)
    )


def _session(chance: Random, now_ms: int) -> _Item:
    makers = {
        "sid": lambda source: source.choice((f"{source.getrandbits(128):x}", edges.text(source, 64))),
        "did": _text(128),
        "init": lambda source: source.choice((True, False)),
        "started": lambda source: _seconds(source, now_ms), "timestamp": lambda source: _seconds(source, now_ms),
        "status": lambda source: source.choice(STATUSES),
        "duration": edges.number, "errors": edges.number,
        "attrs": lambda source: {"release": edges.text(source, 200), "environment": "production"},
    }  # fmt: skip
    return _Item("session", edges.fields(chance, makers, odd=0.02, absent=0.2))


def _sessions(chance: Random, now_ms: int) -> _Item:
    def aggregate(source: Random) -> Any:
        said = edges.fields(source, {"started": lambda inner: _seconds(inner, now_ms)}, absent=0.1)
        return said | {
            name: edges.number(source) for name in ("exited", "errored", "crashed") if source.random() < 0.6
        }

    made = [aggregate(chance) for _ in range(chance.randint(1, 4))]
    return _Item("sessions", {"aggregates": made, "attrs": {"release": "1"}}, len(made), may_be_silent=True)


def _report(chance: Random, now_ms: int) -> _Item:
    makers = {"reason": _text(64, "sample_rate"), "category": _text(64, "error"), "quantity": edges.number}
    made = [edges.fields(chance, makers, absent=0.1) for _ in range(chance.randint(1, 4))]
    return _Item(
        "client_report", {"timestamp": _seconds(chance, now_ms), "discarded_events": made}, len(made)
    )


def _logs(chance: Random, now_ms: int) -> _Item:
    makers = {
        "timestamp": lambda source: _seconds(source, now_ms),
        "level": lambda source: source.choice(("info", "warn", "error")),
        "body": _text(4096),
        "trace_id": _text(32),
        "attributes": lambda source: {
            edges.text(source, 64): {"value": edges.anything(source), "type": "string"}
            for _ in range(source.randint(0, 3))
        },
    }
    made = [edges.fields(chance, makers, odd=0.02) for _ in range(chance.randint(1, 6))]
    return _Item("log", {"items": made}, len(made))


def _metrics(chance: Random, now_ms: int) -> _Item:
    makers = {
        "timestamp": lambda source: _seconds(source, now_ms),
        "name": _text(200, "cart.items"),
        "type": lambda source: source.choice(("counter", "gauge", "distribution", "set")),
        "value": edges.number,
        "unit": _text(32, "millisecond", "byte", ""),
        "attributes": lambda source: {
            name: {"value": value, "type": "string"} for name, value in edges.labels(source).items()
        },
    }
    made = [edges.fields(chance, makers, odd=0.02, absent=0.1) for _ in range(chance.randint(1, 6))]
    return _Item("trace_metric", {"items": made}, len(made))


def _spans(chance: Random, now_ms: int) -> _Item:
    def attributes(source: Random) -> Any:
        said = {
            "sentry.op": source.choice(("http.client", "ui.interaction", "pageload")),
            "http.response.status_code": source.choice((200, "500", 1.5)),
            "url.full": "https://shop.example/pay?x",
        }
        for name in ("lcp", "inp", "cls"):
            if source.random() < 0.3:
                said[f"browser.web_vital.{name}.value"] = source.choice(
                    (0, 0.05, 250.5, edges.number(source))
                )
        return {name: {"value": value, "type": "string"} for name, value in said.items()}

    makers = {
        "start_timestamp": lambda source: _seconds(source, now_ms),
        "end_timestamp": lambda source: _seconds(source, now_ms),
        "name": _text(200, "GET /pay"), "attributes": attributes,
    }  # fmt: skip
    made = [edges.fields(chance, makers, odd=0.02, absent=0.1) for _ in range(chance.randint(1, 5))]
    return _Item("span", {"items": made}, len(made), may_be_silent=True)


def _transaction(chance: Random, now_ms: int) -> _Item:
    measured = {
        name: {"value": edges.number(chance), "unit": chance.choice(("millisecond", "second", ""))}
        for name in ("lcp", "cls", "ttfb", "other")
        if edges.often(chance, 0.5)
    }
    makers = {
        "start_timestamp": lambda source: _seconds(source, now_ms),
        "timestamp": lambda source: _seconds(source, now_ms),
        "transaction": _text(200, "GET /pay"),
        "measurements": lambda _: measured,
        "contexts": lambda source: {"trace": {"op": source.choice(("http.server", "pageload"))}},
        "request": lambda source: {"url": "https://shop.example/" + edges.text(source, 200), "method": "GET"},
        "spans": lambda source: [{"op": "http.client", "start_timestamp": 1, "timestamp": _seconds(source, now_ms)}],
    }  # fmt: skip
    return _Item("transaction", edges.fields(chance, makers, odd=0.02, absent=0.1), may_be_silent=True)


def _unkept(chance: Random, _: int) -> _Item:
    return _Item(chance.choice(("replay_event", "attachment", "profile", "feedback")), {"a": 1})


_MAKERS = (
    _error,
    _error,
    _session,
    _sessions,
    _report,
    _logs,
    _logs,
    _metrics,
    _spans,
    _transaction,
    _unkept,
)
