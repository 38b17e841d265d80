"""What exporters of OpenTelemetry are answered: in their own encoding, with what they may send again and when."""

import zlib

import orjson
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from services.gateway.http.problems import Problem, refused, unauthorised, unknown
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.series_limit import SeriesLimitWarning
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.dialect import Answer, Asked
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from services.gateway.intake.protocols.otlp.dialect import OtlpDialect, inflate_zlib
from services.gateway.intake.service import IntakeResult

DIALECT = OtlpDialect("DataPoints")


def taken(
    media: bytes, rejected: list[Rejection], warnings: list[SeriesLimitWarning] | None = None
) -> Answer:
    """The answer to a request of which this was refused."""
    asked = Request(b"", [], b"", 1, 0, "/v1/metrics", media)
    return DIALECT.taken(asked, IntakeResult(Outcome.ACCEPTED, 1, rejected, warnings=warnings or []))


def answer(media: bytes, problem: Problem) -> tuple[int, dict[bytes, bytes], bytes]:
    """The answer to a request of which nothing was taken."""
    status, headers, body = DIALECT.refused(Asked("/v1/metrics", b"", [], media), problem)
    return status, dict(headers), body


@pytest.mark.parametrize(("media", "body"), [(PROTOBUF, b""), (JSON, b"{}")])
def test_what_was_taken_whole_is_answered_without_a_word(media: bytes, body: bytes) -> None:
    """An empty message, in the encoding of the request."""
    assert (200, [(b"content-type", media)], body) == taken(media, [])


def test_what_was_refused_is_told_with_its_reasons() -> None:
    """A point that became several rows counts once; a few reasons stand for all."""
    rejected = [Rejection(at // 2, "invalid_labels", "labels.x: longer than 256 bytes") for at in range(14)]

    in_protobuf = ExportMetricsServiceResponse.FromString(taken(PROTOBUF, rejected).body).partial_success
    in_json = orjson.loads(taken(JSON, rejected).body)["partialSuccess"]

    assert (7, "7") == (in_protobuf.rejected_data_points, in_json["rejectedDataPoints"])
    assert in_protobuf.error_message == in_json["errorMessage"]
    assert in_json["errorMessage"].startswith("0: labels.x: longer than 256 bytes; 0: ")
    assert in_json["errorMessage"].endswith("; and more")


def test_a_warning_is_a_partial_success_of_nothing() -> None:
    """As the specification has it: no item was refused, and there is something to say."""
    warning = SeriesLimitWarning("series_limit", 3, "too many series")

    in_json = orjson.loads(taken(JSON, [], [warning]).body)
    in_protobuf = ExportMetricsServiceResponse.FromString(taken(PROTOBUF, [], [warning]).body)

    assert {"partialSuccess": {"errorMessage": "too many series"}} == in_json
    assert (0, "too many series") == (
        in_protobuf.partial_success.rejected_data_points, in_protobuf.partial_success.error_message,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "status", "code", "retry_after"),
    [
        (Problem(400, "malformed_protobuf", "no"), 400, 3, None),
        (unauthorised(), 401, 16, None),
        (Problem(413, "body_too_large", "no"), 413, 3, None),
        (Problem(415, "unsupported_media_type", "no"), 415, 3, None),
        (refused("kafka is away"), 503, 14, b"1"),
        (unknown(), 503, 14, b"1"),
        (Problem(429, "rate_limited", "no", 60), 429, 8, b"3"),
        (Problem(408, "body_too_slow", "no"), 503, 14, b"1"),
        (Problem(503, "shed", "no"), 503, 14, b"1"),
    ],
    ids=lambda value: value.code if isinstance(value, Problem) else "",
)
def test_a_refusal_is_a_status_that_its_exporter_understands(
    problem: Problem, status: int, code: int, retry_after: bytes | None
) -> None:
    """What may pass by itself is 503 or 429 and comes again within three seconds; anything else is dropped at once."""
    of_protobuf, of_json = answer(PROTOBUF, problem), answer(JSON, problem)

    assert [(status, retry_after)] * 2 == [
        (one[0], one[1].get(b"retry-after")) for one in (of_protobuf, of_json)
    ]
    told = Status.FromString(of_protobuf[2])
    assert {"code": code, "message": f"{problem.code}: {problem.message}"} == orjson.loads(of_json[2])
    assert (code, f"{problem.code}: {problem.message}") == (told.code, told.message)
    assert [PROTOBUF, JSON] == [one[1][b"content-type"] for one in (of_protobuf, of_json)]


def test_headers_of_a_problem_are_kept() -> None:
    """Which scheme of authorisation, which methods, which encodings."""
    _, headers, _ = answer(JSON, unauthorised())

    assert b'Bearer realm="tidegauge"' == headers[b"www-authenticate"]


def test_a_body_in_the_zlib_format_is_inflated() -> None:
    """What HTTP calls deflate."""
    assert b"x" * 100 == inflate_zlib(zlib.compress(b"x" * 100), 100)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no", 400),
        (zlib.compress(b"x" * 100)[:-1], 400),
        (zlib.compress(b"x") + b"y", 400),
        (zlib.compress(b"x" * 101), 413),
    ],
    ids=["not zlib", "cut", "more behind it", "too much"],
)
def test_a_body_that_does_not_inflate_is_refused(body: bytes, status: int) -> None:
    """Within the limit, and whole."""
    with pytest.raises(Problem) as found:
        inflate_zlib(body, 100)
    assert status == found.value.status
