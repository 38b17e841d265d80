"""Bodies of many points: read in steps, between which others are served, and as any other body otherwise."""

import asyncio
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Histogram, Metric

from services.gateway.intake.columns.contract import Request
from services.gateway.intake.columns.json import MAX_MENDED_BYTES
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF, OtlpMetrics
from services.gateway.intake.protocols.otlp.dialect import OtlpDialect
from services.gateway.intake.protocols.otlp.records import OtlpLogs
from services.gateway.intake.protocols.registry import ProtocolRoute
from services.gateway.intake.steps import STEP_ITEMS
from tests.support import otlp_events
from tests.support.http.intake import FakeGrants, FakeLog, post, route
from tests.support.otlp import (
    CUMULATIVE,
    DELTA,
    NOW_MS,
    NOW_NS,
    START_NS,
    decoded,
    gauge,
    in_json,
    number,
    request,
    rows_of,
    total,
)

HALF = rb"\ud800"


def points(count: int, *, first: int = 0, start: int = 0) -> list[dict[str, Any]]:
    """Points of as many series."""
    return [number(at, {"k": at}, start=start) for at in range(first, first + count)]


def mixed() -> list[Metric]:
    """Metrics of several kinds across steps, among them points that are refused, in all of which place matters."""
    bars = {"bucket_counts": [1, 2], "explicit_bounds": [1.0], "count": 3, "time_unix_nano": NOW_NS}
    return [
        gauge("a", *points(STEP_ITEMS - 1)),
        total("b", *points(3, start=START_NS), *points(3, start=START_NS + 1)),
        Metric(name="h", histogram=Histogram(data_points=[bars] * 3, aggregation_temporality=DELTA)),
        total("c", *points(2), temporality=0),
        gauge("d", *points(STEP_ITEMS + 5), {"time_unix_nano": NOW_NS}, *points(7)),
        Metric(name="h", histogram=Histogram(data_points=[bars], aggregation_temporality=CUMULATIVE)),
    ]


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_a_request_of_several_steps_means_what_its_parts_mean(media: bytes) -> None:
    """The rows of each metric by itself, one after the other, and each refusal under its place in the request."""

    def read(*metrics: Metric) -> Any:
        sent = request(*metrics)
        return rows_of(decoded(sent.SerializeToString() if media == PROTOBUF else in_json(sent), media))

    rows, refused, place = [], [], 0
    for metric in mixed():
        of_metric, bad = read(metric)
        rows += of_metric
        refused += [(place + at, code) for at, code in bad]
        place += len(getattr(metric, metric.WhichOneof("data") or "").data_points)

    assert (rows, refused) == read(*mixed())
    assert [code for _, code in refused] == ["invalid_temporality"] * 2 + ["invalid_value"]


def test_totals_of_one_stream_are_told_apart_across_steps() -> None:
    """Two of one instant that count since different starts are two streams, wherever they stand."""
    since = [points(1, start=START_NS), points(1, start=START_NS + 1_000_000)]
    far = request(total("t", *since[0], *points(2 * STEP_ITEMS, first=1, start=START_NS), *since[1]))
    near = request(total("t", *since[0], *since[1]))

    streams = []
    for sent in (far, near):
        found = decoded(sent.SerializeToString()).points
        assert found is not None
        assert found.stream is not None
        streams.append(found.stream[[0, -1]].tolist())

    assert streams[0] == streams[1]
    assert len(set(streams[0])) == 2


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_no_step_reads_more_points_than_it_may(media: bytes) -> None:
    """However many points a metric has."""
    sent = request(gauge("a", *points(10 * STEP_ITEMS)))
    body = sent.SerializeToString() if media == PROTOBUF else in_json(sent)

    steps = list(OtlpMetrics(()).steps(Request(body, [], b"", 1, NOW_MS, media=media)))

    assert len(steps) >= 10


async def test_others_are_served_while_a_large_body_is_decoded() -> None:
    """The event loop goes round while 20,000 points of new series are read and let in."""
    protocol = ProtocolRoute(("points",), OtlpMetrics(()), OtlpDialect("DataPoints"), "write")
    log = FakeLog()
    made, _ = route(log, FakeGrants(), ConcurrencyLimits(9, 100 << 20), protocol=protocol, max_items=20_000)
    body = request(gauge("a", *points(20_000))).SerializeToString()

    async def large() -> list[dict[str, Any]]:
        return await post(made, [body, b""], (b"content-type", PROTOBUF))

    rounds, answering = 0, asyncio.create_task(large())
    while not answering.done():
        await asyncio.sleep(0)
        rounds += 1

    assert (await answering)[0]["status"] == 200
    assert rounds > 20


@pytest.mark.parametrize("where", ["name", "unit", "attribute", "resource"])
def test_half_a_character_in_a_large_body_harms_nobody(where: str) -> None:
    """It becomes U+FFFD, at any size."""
    texts = {where: "HALF"}
    sent = in_json(
        request(
            gauge(texts.get("name", "n"), number(1, {"k": texts.get("attribute", "v")}), unit=texts.get("unit", "u")),
            gauge("m", *points(3)),
            resource={"service.name": texts.get("resource", "s")},
        )
    )  # fmt: skip
    body = sent.replace(b"HALF", HALF) + b" " * MAX_MENDED_BYTES

    assert rows_of(decoded(body, JSON)) == rows_of(decoded(sent.replace(b"HALF", rb"\ufffd"), JSON))


def test_half_a_character_in_a_large_body_of_logs_harms_nobody() -> None:
    """All its records are read, and the text that bears it."""
    sent = otlp_events.in_json(otlp_events.logs(*[otlp_events.log(body=text) for text in ("HALF", "b")]))
    body = sent.replace(b"HALF", HALF) + b" " * MAX_MENDED_BYTES

    found = otlp_events.of_body(body, OtlpLogs(), JSON)

    assert len(found.events) == 2
    assert not found.refused
