"""Bodies that were cut or changed, or do not fit: refused, or read as far as they can be, and never an error."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from services.gateway.intake.protocols.otlp.records import OtlpLogs, OtlpTraces
from shared.errors import Rejected
from tests.support.otlp import NOW_NS, decoded
from tests.support.otlp_events import exception, in_json, log, logs, of_body, span, spans

ATTRIBUTES = {"exception.type": "E", "exception.stacktrace": "é", "n": [1, {"a": 2.5}], "http.route": "/x"}
LOGS = logs(log(ATTRIBUTES, {"a": b"\x00"}, event_name="a"), log(body="line", severity_number=9))
SPANS = spans(span(2, ATTRIBUTES, events=[exception(ATTRIBUTES)]), span(3, {"url.full": "https://a/b"}))
BODIES = [
    pytest.param(decoder, media, body, id=f"{name} {media.decode().rpartition('/')[2]}")
    for name, decoder, request in (("logs", OtlpLogs(), LOGS), ("traces", OtlpTraces(), SPANS))
    for media, body in ((PROTOBUF, request.SerializeToString()), (JSON, in_json(request)))
]


def mutants(body: bytes) -> Iterator[bytes]:
    """The body cut at every byte, and with some bytes changed."""
    yield from (body[:at] for at in range(len(body)))
    random = np.random.default_rng(len(body))
    for _ in range(1000):
        changed = bytearray(body)
        for at in random.integers(0, len(body), int(random.integers(1, 4))).tolist():
            changed[at] = int(random.integers(0, 256))
        yield bytes(changed)


@pytest.mark.parametrize(("decoder", "media", "body"), BODIES)
def test_a_broken_body_is_refused_or_read(decoder: OtlpLogs | OtlpTraces, media: bytes, body: bytes) -> None:
    """Whichever byte is wrong or missing."""
    whole = of_body(body, decoder, media)
    read = 0
    for each in mutants(body):
        try:
            of_body(each, decoder, media)
        except Rejected:
            continue
        read += 1

    assert [] == whole.refused
    assert read > 0


@pytest.mark.parametrize(
    ("metric", "refused"),
    [
        pytest.param(
            {"name": 5, "gauge": {"dataPoints": [{}, {}, {}]}}, [0, 1, 2], id="a name that is a number"
        ),
        pytest.param({"unit": [], "sum": {"dataPoints": [{}, {}]}}, [0, 1], id="a unit that is a list"),
        pytest.param({"name": "m", "gauge": 5}, [0], id="points that cannot be looked into"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_point_by_point(metric: object, refused: list[int]) -> None:
    """So that a partial success counts what was lost, and the points behind it keep their places."""
    point = {"timeUnixNano": str(NOW_NS), "asInt": "1"}
    good = {"name": "m", "gauge": {"dataPoints": [point]}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric, good]}]}]}).encode()

    found = decoded(body, JSON)

    assert found.points is not None
    assert (refused, [len(refused)]) == (
        [each.index for each in found.refused],
        list(found.points.index or ()),
    )
