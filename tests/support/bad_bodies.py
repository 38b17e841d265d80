"""Bodies with one bad item between two good ones, by protocol and by what is wrong with it.

Milliseconds UTC. Each case says which items count and which are refused under which code. The good items are the same
wherever they stand, but for their ids.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from services.gateway.intake.protocols import registry
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from tests.support import remote_write
from tests.support.remote_write import part, varint
from tests.support.wild import edges
from tests.support.wild.otlp_values import Value, attributes, attributes_in_json, value_in_json
from tests.support.wild.wild_body import WildBody

HALF = "a\ud800b"
"""A text that was cut within a character."""

NAN = math.nan
ENVELOPE = "/api/{project}/envelope/"
MANY = {f"a{at}": "v" for at in range(10_000)}


def levels(count: int) -> Any:
    """A map in a map, so many times."""
    made: Any = 1
    for _ in range(count):
        made = {"a": made}
    return made


DEEP = levels(100)


class BadBody(NamedTuple):
    """A case."""

    name: str
    sent: WildBody
    refused: Mapping[int, str]
    """The code of each item that is refused; the others count."""


def bad_bodies(now_ms: int) -> Iterator[BadBody]:
    """All cases, to be received at this time."""
    for cases in (
        _native,
        _events,
        _analytics,
        _browser,
        _faro,
        _sentry,
        _lying_lengths,
        _posthog,
        _lines,
        _remote_write,
        _otlp,
    ):
        yield from cases(now_ms)


def _native(now_ms: int) -> Iterator[BadBody]:
    good = {"name": "bad.native", "value": 1, "ts": now_ms}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "NaN value": ({"value": NAN}, "invalid_value"),
        "Infinity value": ({"value": -math.inf}, "invalid_value"),
        "NaN weight": ({"weight": NAN}, "invalid_weight"),
        "NaN time": ({"ts": NAN}, "invalid_ts"),
        "half in a name": ({"name": HALF}, ""),
        "half in a label": ({"labels": {HALF: HALF}}, ""),
        "half in a unit": ({"unit": HALF}, "invalid_unit"),
        "another tenant": ({"tenant_id": 1, "tenant": "other"}, ""),
        "another tenant as a label": ({"labels": {"tenant_id": "1"}}, "invalid_labels"),
        "many labels": ({"labels": MANY}, "invalid_labels"),
        "deep labels": ({"labels": DEEP}, "invalid_labels"),
        "another unit": ({"unit": "ms"}, ""),
        "another kind": ({"kind": "delta"}, ""),
    }
    for name, (bad, code) in cases.items():
        body = edges.written({"points": [good, good | bad, good]})
        yield _case(f"native {name}", registry.POINTS, body, code)


def _events(now_ms: int) -> Iterator[BadBody]:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "NaN": ({"properties": {"a": [NAN]}}, "invalid_properties"),
        "NaN time": ({"ts": NAN}, "invalid_ts"),
        "half": ({"type": HALF, "properties": {HALF: HALF}}, ""),
        "deep": ({"properties": DEEP}, "invalid_properties"),
        "many": ({"properties": MANY}, "invalid_properties"),
        "another tenant": ({"tenant_id": 1}, ""),
    }
    for name, (bad, code) in cases.items():
        made = [{"event_id": f"{name} {at}", "type": "bad.native", "ts": now_ms} for at in range(3)]
        made[1] |= bad
        yield _case(f"native event {name}", registry.EVENTS, edges.written({"events": made}), code)


def _analytics(now_ms: int) -> Iterator[BadBody]:
    at = {"timestamp": now_ms}
    good: dict[str, tuple[str, dict[str, Any], str]] = {
        registry.METRICS: ("metrics", {"name": "LCP", "value": 5} | at, ""),
        registry.USER_EVENTS: ("events", {"eventType": "bad.analytics"} | at, "invalid_properties"),
        registry.STEPS: ("steps", {"step": "effect_start", "sessionId": "s"} | at, "invalid_properties"),
        registry.CLIENT_ALERTS: ("alerts", {"alertType": "slow"} | at, "invalid_properties"),
        registry.VITALS: ("vitals", {"name": "LCP", "value": 5}, ""),
    }
    for path, (name, item, deep) in good.items():
        cases: dict[str, tuple[dict[str, Any], str]] = {
            "NaN": ({"value": NAN}, "invalid_item"),
            "half": ({"page": HALF, "metadata": {HALF: HALF}}, ""),
            "deep": ({"metadata": DEEP}, deep),
            "another tenant": ({"tenant_id": 1}, ""),
        }
        for what, (bad, code) in cases.items():
            made = [item | {"id": f"{name} {what} {place}"} for place in range(3)]
            made[1] |= bad
            yield _case(f"{name} {what}", path, edges.written({name: made}), code)


def _browser(now_ms: int) -> Iterator[BadBody]:
    api = {"kind": "api", "ms": 5, "ts": now_ms, "endpoint": "/bad"}
    event = {"kind": "event", "type": "bad.browser", "ts": now_ms}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "NaN": (api | {"ms": NAN}, "invalid_item"),
        "half": (api | {"endpoint": HALF}, ""),
        "half in a property": (event | {"id": "h", "properties": {HALF: HALF}}, ""),
        "deep": (event | {"id": "d", "properties": DEEP}, "invalid_properties"),
        "many": (event | {"id": "m", "properties": MANY}, "invalid_properties"),
        "null": (api | {"ms": None}, "invalid_ms"),
    }
    for name, (bad, code) in cases.items():
        body = {"batch_id": f"browser-{name}".replace(" ", "-"), "tenant_id": 1, "items": [api, bad, api]}
        yield _case(f"browser {name}", registry.BROWSER, edges.written(body), code, b"text/plain")


def _faro(now_ms: int) -> Iterator[BadBody]:
    own = {"type": "bad", "values": {"a": 1}, "timestamp": now_ms}
    log = {"message": "bad.faro", "timestamp": now_ms}
    cases: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
        "NaN": ("measurements", own, {"values": {"a": NAN}}, "invalid_item"),
        "half": ("measurements", own, {"type": HALF}, ""),
        "half in a log": ("logs", log, {"message": HALF}, ""),
        "deep": ("logs", log, {"context": DEEP}, "invalid_properties"),
        "many": ("logs", log, {"context": MANY}, "invalid_properties"),
    }
    for name, (kind, good, bad, code) in cases.items():
        meta = {"x": NAN, "app": {"name": name}, "session": {"id": HALF}}
        body = edges.written({"meta": meta, kind: [good, good | bad, good]})
        yield _case(f"faro {name}", "/collect/{key}", body, code)


def _sentry(now_ms: int) -> Iterator[BadBody]:
    log = {"timestamp": now_ms / 1000, "body": "bad.sentry"}
    metric = {"timestamp": now_ms / 1000, "type": "gauge", "name": "bad.sentry", "value": 1}
    cases: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
        "NaN": ("log", log, {"attributes": {"a": {"value": NAN}}}, "invalid_item"),
        "NaN metric": ("trace_metric", metric, {"value": NAN}, "invalid_item"),
        "half": ("log", log, {"body": HALF}, ""),
        "half in a metric": ("trace_metric", metric, {"name": HALF}, ""),
        "deep": ("log", log, {"attributes": {"a": {"value": DEEP}}}, "invalid_properties"),
        "many": ("log", log, {"attributes": {name: {"value": name} for name in MANY}}, "invalid_properties"),
        "many labels": ("trace_metric", metric, {"attributes": {name: {"value": name} for name in MANY}}, ""),
    }
    for name, (type_, good, bad, code) in cases.items():
        payload = edges.written({"items": [good | {"trace_id": name}, good | bad, good]})
        header = edges.written({"type": type_, "length": len(payload)})
        body = b"\n".join((edges.written({"dsn": "https://@elsewhere.example/9", "x": NAN}), header, payload))
        yield _case(f"sentry {name}", ENVELOPE, body, code, b"", query=b"sentry_key=k")


def _lying_lengths(now_ms: int) -> Iterator[BadBody]:
    payload = edges.written({"items": [{"timestamp": now_ms / 1000, "body": "bad.sentry"}]})
    whole = b'{"type":"log","length":%d}\n%b' % (len(payload), payload)
    lengths = {"short": len(payload) - 3, "long": len(payload) + 3, "endless": 10**12, "negative": -1}
    for name, length in lengths.items():
        lying = b'{"type":"log","length":%d}\n%b' % (length, payload)
        body = b"\n".join((edges.written({"x": name}), whole, lying, whole))
        yield _case(f"sentry {name} length", ENVELOPE, body, "wrong_length", b"", query=b"sentry_key=k")


def _posthog(now_ms: int) -> Iterator[BadBody]:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "NaN": ({"properties": {"a": NAN}}, "invalid_event"),
        "half": ({"event": HALF, "properties": {HALF: HALF}}, ""),
        "deep": ({"properties": DEEP}, "invalid_properties"),
        "many": ({"properties": MANY}, "invalid_properties"),
        "another key": ({"properties": {"token": "tg_other"}}, "two_keys"),
    }
    for name, (bad, code) in cases.items():
        made: list[dict[str, Any]] = [
            {"event": "bad.posthog", "timestamp": now_ms, "uuid": f"{name} {at}"} for at in range(3)
        ]
        made[1] |= bad
        yield _case(f"posthog {name}", "/batch/", edges.written({"api_key": "k", "batch": made}), code)


def _lines(_: int) -> Iterator[BadBody]:
    many = ",".join(f"{name}=v" for name in MANY)
    influx = {
        "NaN": (b"bad f=NaN", "invalid_value"),
        "infinite": (b"bad f=1e999", "value_out_of_range"),
        "no UTF-8": (b"bad,a=\xed\xa0\x80 f=1", "invalid_labels"),
        "many tags": (f"bad,{many} f=1".encode(), "invalid_labels"),
        "another tenant": (b"bad,tenant_id=1 f=1", ""),
    }
    for name, (line, code) in influx.items():
        body = b"bad,case=%b f=1\n%b\nbad f=2" % (name.replace(" ", "_").encode(), line)
        yield _case(f"influx {name}", registry.INFLUX[0], body, code, b"text/plain")
    many = ",".join(f"{name}:v" for name in MANY)
    statsd = {
        "NaN": (b"bad:NaN|g", "malformed_line"),
        "infinite": (b"bad:1e999|g", "value_out_of_range"),
        "no UTF-8": (b"bad:1|c|#a:\xed\xa0\x80", "invalid_labels"),
        "many tags": (f"bad:1|c|#{many}".encode(), "malformed_line"),
        "too many tags": (f"bad:1|c|#{many[:4000]}".encode(), "invalid_labels"),
        "another tenant": (b"bad:1|c|#tenant_id:1", ""),
    }
    for name, (line, code) in statsd.items():
        body = b"bad:1|c|#case:%b\n%b\nbad:2|c" % (name.encode(), line)
        yield _case(f"statsd {name}", registry.STATSD, body, code, b"text/plain")


def _remote_write(now_ms: int) -> Iterator[BadBody]:
    good = remote_write.series({"__name__": "bad"}, (1.0, now_ms))
    broken = part(1, part(1, b"__name__") + part(2, b"\xed\xa0\x80")) + part(
        2, remote_write.sample(1.0, now_ms)
    )
    cases = {
        "NaN": (remote_write.series({"__name__": "bad", "a": "1"}, (NAN, now_ms)), "no_value"),
        "infinite": (
            remote_write.series({"__name__": "bad", "a": "1"}, (math.inf, now_ms)),
            "value_out_of_range",
        ),
        "no UTF-8": (broken, "invalid_labels"),
        "many labels": (remote_write.series({"__name__": "bad"} | MANY, (1.0, now_ms)), "invalid_labels"),
        "another tenant": (remote_write.series({"__name__": "bad", "tenant_id": "1"}, (1.0, now_ms)), ""),
    }
    first = ((b"content-type", b"application/x-protobuf"),)
    for name, (row, code) in cases.items():
        other = remote_write.series({"__name__": "bad", "case": name}, (1.0, now_ms))
        body = remote_write.request([other, row, good])
        yield _case(f"remote write {name}", registry.REMOTE_WRITE[0], body, code, b"", headers=first)
    labels: tuple[dict[str, str], ...] = ({}, MANY, {"b": "c"})
    one = [remote_write.sample(1.0, now_ms)]
    body = remote_write.second_request([({"__name__": "bad"} | each, one, [], 0) for each in labels])
    yield _case(
        "remote write 2.0 many labels", registry.REMOTE_WRITE[0], body, "invalid_labels", b"",
        headers=(remote_write.SECOND,),
    )  # fmt: skip


def _otlp(now_ms: int) -> Iterator[BadBody]:
    ns = now_ms * 1_000_000
    labels: dict[str, tuple[dict[str, Value], str]] = {
        "deep": ({"x": DEEP}, "invalid_attributes"),
        "many": (dict(MANY), "invalid_attributes"),
        "NaN": ({"x": NAN}, ""),
        "another tenant": ({"tenant_id": "1"}, "invalid_labels"),
    }
    for name, (said, code) in labels.items():
        points = [_point(ns, {"case": name}), _point(ns, said), _point(ns, {})]
        yield _case(f"otlp json {name}", registry.OTLP_METRICS, _json("metrics", _gauge(points)), code, JSON)
        messages = [_point_in_protobuf(ns, each) for each in ({"case": name}, said, {})]
        body = part(
            1, part(2, part(2, part(1, b"bad") + part(5, b"".join(part(1, one) for one in messages))))
        )
        yield _case(f"otlp protobuf {name}", registry.OTLP_METRICS, body, code, PROTOBUF)
    values: dict[str, tuple[Any, str]] = {
        "NaN value": (NAN, "invalid_point"), "NaN as a text": ("NaN", "value_out_of_range"),
        "null value": (None, "invalid_value"), "infinite": ("-Infinity", "value_out_of_range"),
    }  # fmt: skip
    for name, (value, code) in values.items():
        points = [_point(ns, {"case": name}), _point(ns, {"x": HALF}) | {"asDouble": value}, _point(ns, {})]
        yield _case(f"otlp json {name}", registry.OTLP_METRICS, _json("metrics", _gauge(points)), code, JSON)
    points = [_point(ns, {"x": HALF})]
    units = [{"name": "bad", "unit": unit, "gauge": {"dataPoints": points}} for unit in ("s", "ms", "By")]
    yield _case("otlp json another unit", registry.OTLP_METRICS, _json("metrics", units), "", JSON)
    bodies: dict[str, tuple[Value, str]] = {
        "deep": (DEEP, "invalid_attributes"), "half": (HALF, ""), "many": (dict(MANY), ""), "NaN": (NAN, ""),
    }  # fmt: skip
    for name, (said_body, code) in bodies.items():
        records = [
            {"timeUnixNano": str(ns + at), "body": value_in_json(each)}
            for at, each in enumerate((name, said_body, "c"))
        ]
        yield _case(f"otlp log {name}", registry.OTLP_LOGS, _json("logs", records), code, JSON)


def _point(ns: int, said: Mapping[str, Value]) -> dict[str, Any]:
    return {"timeUnixNano": str(ns), "asDouble": 1.0, "attributes": attributes_in_json(said)}


def _point_in_protobuf(ns: int, said: Mapping[str, Value]) -> bytes:
    value = varint(3 << 3 | 1) + ns.to_bytes(8, "little") + remote_write.double(4, 1.0)
    return value + b"".join(part(7, one) for one in attributes(said))


def _gauge(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": "bad", "unit": "s", "gauge": {"dataPoints": points}}]


_PLACES = {
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"), "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}  # fmt: skip


def _json(signal: str, items: list[dict[str, Any]]) -> bytes:
    of_request, of_resource, of_scope = _PLACES[signal]
    return edges.written({of_request: [{"resource": {}, of_resource: [{of_scope: items}]}]})


def _case(
    name: str,
    path: str,
    body: bytes,
    code: str,
    media: bytes = b"application/json",
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    query: bytes = b"",
) -> BadBody:
    sent = WildBody(path, body, 3, (), media, headers, query)
    return BadBody(name, sent, {1: code} if code else {})
