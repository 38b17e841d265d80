"""Export requests of OTLP, in JSON as SDKs write it and in protobuf, field by field.

The points, records or spans of a request are numbered through. Nanoseconds where OTLP has them.
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from services.gateway.intake.protocols import registry
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from tests.support.remote_write import double, part, signed, varint, whole
from tests.support.wild import edges
from tests.support.wild.otlp_values import Value, any_value, attributes, attributes_in_json, value_in_json
from tests.support.wild.wild_body import WildBody

NS_PER_MS = 1_000_000


class _Made(NamedTuple):
    """A point or a record in both dialects."""

    json: Any
    protobuf: bytes
    may_be_silent: bool = False


def metrics_json(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/metrics` in JSON."""
    return _metrics(chance, now_ms, in_json=True)


def metrics_protobuf(chance: Random, now_ms: int) -> WildBody:
    """The same in protobuf."""
    return _metrics(chance, now_ms, in_json=False)


def _metrics(chance: Random, now_ms: int, *, in_json: bool) -> WildBody:
    jsons, messages, silent, size = [], [], set[int](), 0
    for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2, 2, 4, 4))):
        metric, message, points = _metric(chance, now_ms)
        jsons.append(metric)
        messages.append(message)
        silent |= {size + at for at, point in enumerate(points) if point.may_be_silent}
        size += len(points)
    names = "resourceMetrics", "scopeMetrics", "metrics"
    return _request(chance, registry.OTLP_METRICS, names, (jsons, messages), (size, silent), in_json=in_json)


def logs_json(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/logs` in JSON."""
    return _records(chance, now_ms, in_json=True)


def logs_protobuf(chance: Random, now_ms: int) -> WildBody:
    """The same in protobuf."""
    return _records(chance, now_ms, in_json=False)


def _records(chance: Random, now_ms: int, *, in_json: bool) -> WildBody:
    made = edges.items(chance, lambda: _odd(chance, _log(chance, now_ms), may_be_silent=False))
    both = [one.json for one in made], [one.protobuf for one in made]
    names = "resourceLogs", "scopeLogs", "logRecords"
    return _request(chance, registry.OTLP_LOGS, names, both, (len(made), set()), in_json=in_json)


def traces_json(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/traces` in JSON."""
    return _spans(chance, now_ms, in_json=True)


def traces_protobuf(chance: Random, now_ms: int) -> WildBody:
    """The same in protobuf."""
    return _spans(chance, now_ms, in_json=False)


def _spans(chance: Random, now_ms: int, *, in_json: bool) -> WildBody:
    made = edges.items(chance, lambda: _odd(chance, _span(chance, now_ms), may_be_silent=True))
    both = [one.json for one in made], [one.protobuf for one in made]
    silent = {at for at, one in enumerate(made) if one.may_be_silent}
    names = "resourceSpans", "scopeSpans", "spans"
    return _request(chance, registry.OTLP_TRACES, names, both, (len(made), silent), in_json=in_json)


def _request(
    chance: Random,
    path: str,
    names: tuple[str, str, str],
    made: tuple[list[Any], list[bytes]],
    numbered: tuple[int, set[int]],
    *,
    in_json: bool,
) -> WildBody:
    said = (
        {"service.name": chance.choice(("shop", "", "é", edges.sized(chance, 256)))}
        if edges.often(chance)
        else {}
    )
    size, silent = numbered
    if in_json:
        scope = {"scope": {"name": "s", "version": chance.choice(("1", None))}, names[2]: made[0]}
        resource = {"resource": {"attributes": attributes_in_json(said)}, names[1]: [scope]}
        return WildBody(path, edges.written({names[0]: [resource]}), size, silent, JSON)
    inner = part(1, part(1, b"s")) + b"".join(part(2, one) for one in made[1])
    outer = part(1, b"".join(part(1, one) for one in attributes(said))) + part(2, inner)
    return WildBody(path, part(1, outer), size, silent, PROTOBUF)


def _metric(chance: Random, now_ms: int) -> tuple[Any, bytes, list[_Made]]:
    name, unit = (
        _plain(edges.text(chance, 200, ("m", "http.server.duration"), 0.93)),
        chance.choice(("", "s", "By", "{call}", "a b")),
    )
    data, number, make = chance.choice(_KINDS)
    points = [_odd(chance, make(chance, now_ms), number > 7) for _ in range(chance.choice((1, 1, 2, 6)))]
    temporality, monotonic = (
        chance.choice((1, 2, 2, 2, 0 if edges.often(chance, 0.2) else 1)),
        edges.often(chance),
    )
    content: dict[str, Any] = {"dataPoints": [point.json for point in points]}
    message = b"".join(part(1, point.protobuf) for point in points)
    if data in ("sum", "histogram", "exponentialHistogram"):
        content["aggregationTemporality"] = temporality
        message += whole(2, temporality)
    if data == "sum":
        content["isMonotonic"] = monotonic
        message += whole(3, monotonic)
    said = {"name": name, "unit": unit}
    if edges.often(chance, 0.03):
        said[chance.choice(("name", "unit"))] = edges.anything(chance)
    return (
        said | {data: content},
        part(1, name.encode()) + part(3, unit.encode()) + part(number, message),
        points,
    )


def _odd(chance: Random, made: _Made, may_be_silent: bool) -> _Made:
    """The item, now and then with a field of any type, or cut; what is left of it may say nothing."""
    if edges.often(chance, 0.95):
        return made
    name = chance.choice([name for name in made.json if name != "flags"])
    cut = made.protobuf[: -chance.randint(1, 9)]
    return _Made(made.json | {name: edges.anything(chance)}, cut, made.may_be_silent or may_be_silent)


class _Times(NamedTuple):
    time: int
    start: int
    flags: int

    def json(self) -> dict[str, Any]:
        """As SDKs write them."""
        return {
            "timeUnixNano": str(self.time), "startTimeUnixNano": self.start if self.start % 2 else str(self.start),
            "flags": self.flags,
        }  # fmt: skip


def _times(chance: Random, now_ms: int) -> _Times:
    """Of 64 bits without a sign."""
    time = edges.time_ms(chance, now_ms, 0.85) * NS_PER_MS + chance.choice((0, 1, 999_999))
    if edges.often(chance, 0.03):
        time = chance.choice((0, 1, 2**63, 2**64 - 1))
    start = chance.choice((0, time - 10**10, time - 1, time, time + 1, 1, 2**64 - 1))
    return _Times(max(0, time) % 2**64, max(0, start) % 2**64, chance.choice((0, 0, 0, 0, 0, 0, 1, 2)))


def _fixed(field: int, number: int) -> bytes:
    return varint(field << 3 | 1) + number.to_bytes(8, "little")


def _number(chance: Random, now_ms: int) -> _Made:
    times, said = _times(chance, now_ms), _attributes(chance)
    if edges.often(chance, 0.3):
        whole_number = chance.choice((0, 1, -1, 2**63 - 1, -(2**63)))
        value: dict[str, Any] = {"asInt": chance.choice((whole_number, str(whole_number)))}
        message = _fixed(6, whole_number % 2**64)
    else:
        given = edges.floating(chance)
        value = {"asDouble": given if given - given == 0 else chance.choice((None, str(given), given))}
        message = varint(4 << 3 | 1) + double(1, given)[1:] if double(1, given) else _fixed(4, 0)
    body = _fixed(2, times.start) + _fixed(3, times.time) + message + whole(8, times.flags)
    body += b"".join(part(7, one) for one in attributes(said))
    return _Made(times.json() | value | {"attributes": attributes_in_json(said)}, body, bool(times.flags & 1))


def _histogram(chance: Random, now_ms: int) -> _Made:
    times, said, size = _times(chance, now_ms), _attributes(chance), chance.choice((0, 1, 3, 198, 199, 200))
    bounds = [float(at) for at in range(size)]
    counts = [chance.randint(0, 5) for _ in range(size + chance.choice((1, 1, 1, 1, 0, 2)))]
    if bounds and edges.often(chance, 0.1):
        bounds[-1] = chance.choice((1e100, 1.1e100, 0.0, float("inf"), float("nan")))
    if counts and edges.often(chance, 0.1):
        counts[0] = chance.choice((10**12, 10**12 + 1, 2**63, 2**64 - 1))
    count, total = sum(counts) % 2**64, edges.floating(chance)
    is_bare = size == 0 and len(counts) <= 1
    said_json = times.json() | {
        "count": str(count), "sum": total, "bucketCounts": list(map(str, counts)), "explicitBounds": bounds,
        "attributes": attributes_in_json(said),
    }  # fmt: skip
    body = _fixed(2, times.start) + _fixed(3, times.time) + _fixed(4, count) + varint(5 << 3 | 1)
    body += (double(1, total)[1:] or bytes(8)) + part(
        6, b"".join(one.to_bytes(8, "little") for one in counts)
    )
    body += part(7, b"".join((double(1, one)[1:] or bytes(8)) for one in bounds)) + whole(10, times.flags)
    body += b"".join(part(9, one) for one in attributes(said))
    return _Made(said_json, body, bool(times.flags & 1) or is_bare or not count)


def _exponential(chance: Random, now_ms: int) -> _Made:
    times, said = _times(chance, now_ms), _attributes(chance)
    scale, zero = chance.choice((-11, -10, -1, 0, 2, 3, 20, 21)), chance.choice((0, 5, 2**64 - 1))
    offset, counts = (
        chance.choice((0, -5, 330, 2**31 - 1, -(2**31))),
        [chance.randint(0, 3)] * chance.choice((0, 1, 160, 1025)),
    )
    said_json = times.json() | {
        "scale": scale, "zeroCount": str(zero), "positive": {"offset": offset, "bucketCounts": list(map(str, counts))},
        "count": str(zero + sum(counts)), "attributes": attributes_in_json(said),
    }  # fmt: skip
    side = signed(1, offset) + part(2, b"".join(map(varint, counts)))
    body = b"".join(part(1, one) for one in attributes(said)) + _fixed(2, times.start) + _fixed(3, times.time)
    body += signed(6, scale) + _fixed(7, zero) + part(8, side) + whole(10, times.flags)
    # Increments of nothing are nothing.
    return _Made(said_json, body, bool(times.flags & 1) or not zero + sum(counts))


def _summary(chance: Random, now_ms: int) -> _Made:
    times, said = _times(chance, now_ms), _attributes(chance)
    quantiles = [
        (chance.choice((0.0, 0.5, 0.99, 1.0, 2.0)), edges.floating(chance))
        for _ in range(chance.randint(0, 3))
    ]
    count, total = chance.choice((0, 7, 2**64 - 1)), edges.floating(chance)
    said_json = times.json() | {
        "count": str(count), "sum": total,
        "quantileValues": [{"quantile": at, "value": value} for at, value in quantiles],
        "attributes": attributes_in_json(said),
    }  # fmt: skip
    body = _fixed(2, times.start) + _fixed(3, times.time) + _fixed(4, count) + varint(5 << 3 | 1)
    body += double(1, total)[1:] or bytes(8)
    body += b"".join(part(6, double(1, at) + double(2, value)) for at, value in quantiles) + whole(
        8, times.flags
    )
    body += b"".join(part(7, one) for one in attributes(said))
    return _Made(said_json, body, bool(times.flags & 1))


_KINDS: tuple[tuple[str, int, Callable[[Random, int], _Made]], ...] = (
    ("gauge", 5, _number), ("sum", 7, _number), ("sum", 7, _number), ("histogram", 9, _histogram),
    ("exponentialHistogram", 10, _exponential), ("summary", 11, _summary),
)  # fmt: skip


_VALUES: tuple[Value, ...] = (True, 5, b"\xff", None, ["a", 1], {"b": 1.5})


def _attributes(chance: Random) -> dict[str, Value]:
    """Attributes of all types; those of a point are labels."""

    def value(source: Random) -> Value:
        any_: tuple[Value, ...] = (edges.text(source, 256), source.choice(edges.FLOATS), *_VALUES)
        return source.choice(any_)

    return {_plain(name): _clean(one) for name, one in edges.labels(chance, value).items()}


def _clean(value: Value) -> Value:
    return _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    """What protobuf can hold."""
    return text.encode("utf-8", "replace").decode()


def _log(chance: Random, now_ms: int) -> _Made:
    times, said = _times(chance, now_ms), _attributes(chance)
    kind = chance.choice(("", "", "exception", "vital", "event"))
    if kind == "exception":
        said |= {
            "exception.type": _plain(edges.text(chance, 200, ("TypeError",), 0.9)),
            "exception.message": "m",
        }
    elif kind == "vital":
        said |= {
            "name": chance.choice(("LCP", "cls", "x")),
            "value": chance.choice((0, 0.05, 2500.5, edges.floating(chance))),
        }
    name = {"vital": "browser.web_vital", "event": _plain(edges.text(chance, 64, ("checkout",), 0.9))}.get(
        kind, ""
    )
    bodies: tuple[Value, ...] = (
        "line",
        _plain(edges.text(chance, 5000)),
        None,
        5,
        {"a": 1},
        edges.floating(chance),
    )
    body = chance.choice(bodies)
    severity = chance.choice((0, 1, 9, 17, 24, 25, -1))
    said_json = {
        "timeUnixNano": str(times.time), "severityNumber": severity, "severityText": "INFO", "eventName": name,
        "body": value_in_json(body), "attributes": attributes_in_json(said), "traceId": "0" * 31 + "1", "spanId": "",
    }  # fmt: skip
    message = _fixed(1, times.time) + whole(2, severity) + part(3, b"INFO") + part(5, any_value(body))
    message += (
        b"".join(part(6, one) for one in attributes(said))
        + part(9, bytes(15) + b"\1")
        + part(12, name.encode())
    )
    return _Made(said_json, message)


def _span(chance: Random, now_ms: int) -> _Made:
    times, said, kind = _times(chance, now_ms), _attributes(chance), chance.choice((0, 1, 2, 2, 3, 3, 9))
    said |= {
        "http.request.method": "GET",
        "http.response.status_code": chance.choice((200, 500, "x", None)),
        "http.route": "/pay",
    }
    failed = edges.often(chance, 0.3)
    thrown: dict[str, Value] = {
        "exception.type": _plain(edges.text(chance, 200, ("E",), 0.9)),
        "exception.message": "m",
    }
    at = _times(chance, now_ms).time
    events = chance.choice((0, 0, 1, 33))
    said_json = {
        "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "2", "name": "GET /pay", "kind": kind,
        "startTimeUnixNano": str(times.start), "endTimeUnixNano": str(times.time),
        "attributes": attributes_in_json(said),
        "events": [{"timeUnixNano": str(at), "name": "exception", "attributes": attributes_in_json(thrown)}] * events,
        "status": {"code": 2 if failed else 0},
    }  # fmt: skip
    event = _fixed(1, at) + part(2, b"exception") + b"".join(part(3, one) for one in attributes(thrown))
    message = part(1, bytes(15) + b"\1") + part(2, bytes(7) + b"\2") + part(5, b"GET /pay") + whole(6, kind)
    message += (
        _fixed(7, times.start) + _fixed(8, times.time) + b"".join(part(9, one) for one in attributes(said))
    )
    message += b"".join(part(11, event) for _ in range(events)) + (part(15, whole(3, 2)) if failed else b"")
    return _Made(said_json, message, kind not in (2, 3) and not events)
