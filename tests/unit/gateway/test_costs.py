"""What a body costs is judged before it is decoded: what it unpacks to, how many objects and items are in it."""

import gzip
import zlib
from collections.abc import Callable

import cramjam
import pytest

from services.gateway.auth.ports import Grant
from services.gateway.http.body import FREE_BYTES, INFLATE, Inflate, Limits, check_objects, unpacked
from services.gateway.http.problems import Problem
from services.gateway.intake.columns.contract import Decoder, Request, RequestColumns
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.protocols.dialect import Dialect
from services.gateway.intake.protocols.influx.decode import InfluxLines
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF, OtlpMetrics
from services.gateway.intake.protocols.otlp.dialect import OtlpDialect
from services.gateway.intake.protocols.otlp.records import OtlpLogs
from services.gateway.intake.protocols.otlp.schema import MESSAGES
from services.gateway.intake.protocols.registry import ProtocolRoute
from services.gateway.intake.protocols.remote_write.compression import unsnappy, unzstd
from services.gateway.intake.protocols.remote_write.decode import RemoteWrite
from services.gateway.intake.protocols.remote_write.messages import WriteRequest
from services.gateway.intake.protocols.sentry.dialect import brotli
from services.gateway.intake.protocols.statsd.decode import StatsdLines
from shared.runtime.clock import monotonic_s
from tests.support.http.intake import FakeGrants, FakeLog, post, route
from tests.unit.gateway.test_door import said

MIB = 1 << 20
SIZE = 2 * MIB
ENCODINGS: dict[str, tuple[Inflate, Callable[[bytes], bytes]]] = {
    "gzip": (INFLATE[b"gzip"], gzip.compress),
    "deflate": (INFLATE[b"deflate"], zlib.compress),
    "zstd": (unzstd, lambda plain: bytes(cramjam.zstd.compress(plain))),
    "snappy": (unsnappy, lambda plain: bytes(cramjam.snappy.compress_raw(plain))),
    "brotli": (brotli, lambda plain: bytes(cramjam.brotli.compress(plain))),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("above", [-1, 0, 1])
def test_a_body_may_inflate_so_many_times_and_no_more(encoding: str, above: int) -> None:
    """Below, at and above the ratio, whatever packed it; the refusal says what would have been taken."""
    undo, pack = ENCODINGS[encoding]
    packed = pack(b"x" * SIZE)
    ratio = -(-SIZE // len(packed)) - above
    limits = Limits(MIB, 5 * MIB, 1.0, 1.0, ratio=ratio)
    allowed = ratio * len(packed)

    if above <= 0:
        assert SIZE == len(unpacked(packed, undo, limits))
        return
    with pytest.raises(Problem) as refusal:
        unpacked(packed, undo, limits)
    if encoding == "brotli":  # its library does not say which of the two was wrong
        assert refusal.value.message.endswith(f"or larger than {max(FREE_BYTES, allowed)} bytes")
        return
    assert (413, "inflated_too_much") == (refusal.value.status, refusal.value.code)
    assert f"at most {max(FREE_BYTES, allowed)} unpacked, {ratio} times" in refusal.value.message


def test_a_small_body_may_shrink_as_it_likes() -> None:
    """A thousand equal points are no bomb; a byte more than is free is one."""
    limits = Limits(MIB, 5 * MIB, 1.0, 1.0, ratio=1)

    assert FREE_BYTES == len(unpacked(gzip.compress(b"x" * FREE_BYTES), INFLATE[b"gzip"], limits))
    with pytest.raises(Problem, match=f"at most {FREE_BYTES} unpacked"):
        unpacked(gzip.compress(b"x" * (FREE_BYTES + 1)), INFLATE[b"gzip"], limits)


def test_a_body_beyond_the_largest_is_told_that_limit() -> None:
    """However small a part of it came over the wire."""
    with pytest.raises(Problem, match="at most 1048576 bytes"):
        unpacked(gzip.compress(b"x" * SIZE), INFLATE[b"gzip"], Limits(MIB, MIB, 1.0, 1.0, ratio=10**6))


@pytest.mark.parametrize(("count", "is_taken"), [(999, True), (1000, True), (1001, False), (10**6, False)])
def test_objects_are_counted_before_they_are_decoded(count: int, is_taken: bool) -> None:
    """Below, at and above; a byte that begins an object is enough."""
    body = b"[" + b"{}," * (count - 1)
    if is_taken:
        check_objects(body, Dialect().marks(b""), 1000)
        return
    with pytest.raises(Problem) as refusal:
        check_objects(body, Dialect().marks(b""), 1000)
    assert (413, "too_many_objects") == (refusal.value.status, refusal.value.code)


class Enough(Exception):
    """The items of a request were counted, and nothing was decoded yet."""


def metrics(points: int, fields: int = 1) -> bytes:
    """An export request of so many points that hold nothing, one of them after the other or in several metrics."""
    each = [
        MESSAGES["Metric"](name=b"m", gauge={"data_points": [b""] * (points // fields)})
        for _ in range(fields)
    ]
    request = MESSAGES["MetricsRequest"](resource_metrics=[{"scope_metrics": [{"metrics": each}]}])
    return bytes(request.SerializeToString())


def logs(records: int) -> bytes:
    """An export request of so many log records that hold nothing."""
    scopes = [{"log_records": [b""] * records}]
    return bytes(MESSAGES["LogsRequest"](resource_logs=[{"scope_logs": scopes}]).SerializeToString())


OTLP_JSON = b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[%s]}}]}]}]}'
MANY = 10_000
BODIES: dict[str, tuple[Decoder, bytes, bytes]] = {
    "OTLP": (OtlpMetrics([]), metrics(MANY), PROTOBUF),
    "OTLP, many metrics": (OtlpMetrics([]), metrics(MANY, 1000), PROTOBUF),
    "OTLP in JSON": (OtlpMetrics([]), OTLP_JSON % b",".join([b"{}"] * MANY), JSON),
    "OTLP logs": (OtlpLogs(), logs(MANY), PROTOBUF),
    "remote write": (RemoteWrite(), WriteRequest(timeseries=[b""] * MANY).SerializeToString(), b""),
    "line protocol": (InfluxLines(), b"m v=1\n" * MANY, b""),
    "StatsD": (StatsdLines(), b"m:1|c\n" * MANY, b""),
}


@pytest.mark.parametrize("name", BODIES)
def test_items_are_counted_before_they_are_decoded(name: str) -> None:
    """Whoever is told of more than it will have ends the request there and then."""
    decoder, body, media = BODIES[name]

    def expect(items: int) -> None:
        if items >= MANY:
            raise Enough

    with pytest.raises(Enough):
        decoder.decode(Request(body, (), b"", 1, 0, media=media, expect=expect))


class Telling:
    """A decoder of bodies that say how many items they hold."""

    decoded = 0

    def decode(self, request: Request) -> RequestColumns:
        """Tell, and take nothing."""
        request.expect(int(request.body))
        self.decoded += 1
        return RequestColumns()


@pytest.mark.parametrize(
    ("items", "grant", "expected"),
    [
        (999, Grant(1, "write", 1.0, 1e6), (422, "")),
        (1000, Grant(1, "write", 1.0, 1e6), (422, "")),
        (1001, Grant(1, "write", 1.0, 1e6), (413, "too_many_items")),
        (60, Grant(1, "write", 0.001, 100.0), (422, "")),
        (100, Grant(1, "write", 0.001, 100.0), (422, "")),
        (900, Grant(1, "write", 0.001, 100.0), (422, "")),
    ],
    ids=["below", "at", "above", "within the quota", "all of it", "on credit"],
)
async def test_a_request_has_so_many_items(items: int, grant: Grant, expected: tuple[int, str]) -> None:
    """Below, at and above the limit; a full bucket lets a larger request through on credit, as ever."""
    decoder = Telling()
    protocol = ProtocolRoute(("points",), decoder, Dialect(), "")
    made, counts = route(FakeLog(), FakeGrants(grant), ConcurrencyLimits(9, 10**6), protocol=protocol)

    assert (*expected, None) == said(await post(made, [b"%d" % items, b""]))
    assert (expected[0] != 413) == bool(decoder.decoded)
    assert ({expected[1]: 1} if expected[1] else {}) == counts.counters.refused


async def test_what_is_beyond_the_quota_is_not_decoded() -> None:
    """A tenant that has 40 tokens left and sends 60 is told to come again, and costs no decoding."""
    decoder = Telling()
    protocol = ProtocolRoute(("points",), decoder, Dialect(), "")
    grant = Grant(1, "write", 0.001, 100.0)
    made, _ = route(FakeLog(), FakeGrants(grant), ConcurrencyLimits(9, 10**6), protocol=protocol)
    made._context.intakes._limits.take(grant, 60, monotonic_s())

    answers = [said(await post(made, [b"%d" % items, b""])) for items in (41, 40)]

    assert ([(429, "rate_limited", None), (422, "", None)], 1) == (answers, decoder.decoded)


@pytest.mark.parametrize(("items", "tag"), [("DataPoints", b"\x0a\x00"), ("LogRecords", b"\x12\x00")])
def test_a_dense_body_of_protobuf_is_refused_for_its_tags(items: str, tag: bytes) -> None:
    """Two bytes make a point: a body of nothing else is not even parsed."""
    with pytest.raises(Problem, match="at most 1000 objects"):
        check_objects(tag * 1001, OtlpDialect(items).marks(PROTOBUF), 1000)

    assert OtlpDialect(items).marks(JSON) == Dialect().marks(JSON)


@pytest.mark.parametrize("part", ["resource_metrics", "scope_metrics", "metrics"])
def test_parts_without_points_are_counted_as_well(part: str) -> None:
    """Each costs as much as a point."""
    parts = {"resource_metrics": [{}], "scope_metrics": [{}], "metrics": [{}]} | {part: [{}] * MANY}
    scopes = [{"metrics": parts["metrics"]} if part == "metrics" else each for each in parts["scope_metrics"]]
    resources = [{} if part == "resource_metrics" else {"scope_metrics": scopes}] * len(
        parts["resource_metrics"]
    )
    body = MESSAGES["MetricsRequest"](resource_metrics=resources).SerializeToString()

    def expect(items: int) -> None:
        if items >= MANY:
            raise Enough

    with pytest.raises(Enough):
        OtlpMetrics([]).decode(Request(body, (), b"", 1, 0, media=PROTOBUF, expect=expect))
