"""Every number and text of every JSON example, at its limits or of another type: answered, and read by all."""

import re
from collections.abc import Sequence

import pytest

from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.otlp.decode import JSON
from services.gateway.intake.protocols.registry import OTLP_METRICS
from shared.wire.versions import NEW
from tests.support.examples import TENANT_ID, Example, examples
from tests.support.pipeline import Pipeline
from tests.support.wild.wild_body import WildBody

NOW = 1_760_000_000_000
NUMBER = re.compile(rb'(?<=[:\[,])"?-?\d[\d.eE+-]*"?(?=[,\]}\s])')
INSTEAD = (
    b"9" * 400, b"-" + b"9" * 400, b'"' + b"9" * 5000 + b'"', b"1e308", b"-1e308", b"1e-400", b"-0.0", b"2147483648",
    b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b'"NaN"', b"null", b"true", b"[]", b"{}",
)  # fmt: skip
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
INSTEAD_OF_TEXT = (
    b"9" * 400, b"-1.5", b"null", b"true", b"[{}]", b"{}", b'""', b'"\\u0000"', b'"\\ud800"',
    b'"' + b"x" * 40_000 + b'"',
    b'"9999-12-31T23:59:59-12:00"', b'"0001-01-01T00:00:00+14:00"', b'"-1"', b'"http://[::1/a"',
)  # fmt: skip
IN_JSON = [each for each in examples() if b"{" in each.request.body and each.request.body.isascii()]
MOST = 15
"""Numbers, and texts, of an example that are tried."""


def otlp(data: str, point: str) -> Example:
    """A point with all fields that are numbers."""
    content = f'{{"aggregationTemporality":1,"dataPoints":[{{{point}}}]}}'
    metric = f'{{"name":"m","{data}":{content}}}'
    body = f'{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}'
    return Example(data, Request(body.encode(), [], b"", TENANT_ID, NOW, OTLP_METRICS, JSON))


CAPTURED = b'{"api_key":"k","sent_at":1,"batch":[{"event":"e","offset":1}]}'
MORE = [
    otlp("gauge", '"timeUnixNano":1,"asInt":1'),
    otlp("histogram", '"count":1,"sum":1,"bucketCounts":[1,1],"explicitBounds":[1]'),
    otlp("histogram", '"count":1,"sum":1')._replace(name="a histogram without buckets"),
    otlp(
        "exponentialHistogram", '"scale":1,"zeroCount":1,"positive":{"offset":1,"bucketCounts":[1]},"flags":0'
    ),
    otlp("summary", '"count":1,"sum":1,"quantileValues":[{"quantile":1,"value":1}],"startTimeUnixNano":1'),
    Example("sent_at", Request(CAPTURED, [], b"", TENANT_ID, NOW, "/batch/")),
]
"""Numbers that no example has."""


def exchanged(example: Example, what: re.Pattern[bytes], instead: Sequence[bytes]) -> None:
    """Each of these of a body is exchanged for each of those, and every body is answered."""
    request, pipeline = example.request, Pipeline(NEW)
    for found in list(what.finditer(request.body))[:MOST]:
        for other in instead:
            body = request.body[: found.start()] + other + request.body[found.end() :]
            sent = WildBody(request.path, body, 0, (), request.media, tuple(request.headers), request.query)

            verdict = pipeline.post(request.path, sent.request(TENANT_ID, request.received_at_ms))

            assert verdict, body


@pytest.mark.parametrize("example", IN_JSON + MORE, ids=lambda example: example.name)
def test_no_number_is_too_large_for_a_decoder(example: Example) -> None:
    """64 bits are what a point has; JSON has more."""
    exchanged(example, NUMBER, INSTEAD)


@pytest.mark.parametrize("example", IN_JSON + MORE, ids=lambda example: example.name)
def test_no_text_or_name_harms_a_decoder(example: Example) -> None:
    """Nor what is no text where one should be."""
    exchanged(example, TEXT, INSTEAD_OF_TEXT)
