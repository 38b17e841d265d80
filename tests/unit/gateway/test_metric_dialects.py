"""Senders of remote write, line protocol and StatsD lines are answered as each of them understands it."""

from base64 import b64encode
from typing import Any

import orjson
import pytest

from services.gateway.http.problems import Headers, Problem
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.dialect import Asked, Dialect
from services.gateway.intake.protocols.influx.dialect import InfluxDialect, fixed_answers
from services.gateway.intake.protocols.remote_write.dialect import RemoteWriteDialect
from services.gateway.intake.protocols.statsd.dialect import StatsdDialect
from services.gateway.intake.service import IntakeResult
from tests.support import remote_write as wire

NOW = 1_790_000_000_000
FIRST = (b"content-type", b"application/x-protobuf")
BAD = Rejection(1, "ts_too_old", "ts: more than 5 days old")
NAN = Rejection(0, "no_value", "value: is NaN, which is no value")
TEXT = Rejection(0, "text_field", "fields: a text is no value")


def asked(*headers: tuple[bytes, bytes], query: bytes = b"", path: str = "/api/v1/write") -> Asked:
    """A request whose body is not read yet."""
    return Asked(path, query, list(headers))


def result(accepted: int, *rejected: Rejection) -> IntakeResult:
    """What became of a request."""
    return IntakeResult(Outcome.ACCEPTED, accepted, list(rejected))


def basic(password: bytes) -> tuple[bytes, bytes]:
    """A header with a password."""
    return b"authorization", b"Basic " + b64encode(b"any:" + password)


@pytest.mark.parametrize(
    ("dialect", "header"),
    [
        (RemoteWriteDialect(), (b"authorization", b"Bearer k")),
        (RemoteWriteDialect(), (b"x-api-key", b"k")),
        (RemoteWriteDialect(), basic(b"k")),
        (InfluxDialect(), (b"authorization", b"Token k")),
        (InfluxDialect(), basic(b"k")),
        (StatsdDialect(), (b"authorization", b"bearer k")),
    ],
)
def test_the_key_stands_where_each_client_puts_it(dialect: Dialect, header: tuple[bytes, bytes]) -> None:
    """As a token, in a header of its own or as a password."""
    assert b"k" == dialect.key(asked(header))


def test_version_one_of_influxdb_has_the_key_in_the_address() -> None:
    """As `p` beside the user `u`."""
    assert b"k/1" == InfluxDialect().key(asked(query=b"db=x&u=me&p=k%2F1"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([(b"authorization", b"Token k")], 401),
        ([(b"authorization", b"Basic !")], 401),
        ([(b"x-api-key", b"k"), (b"authorization", b"Bearer l")], 400),
    ],
    ids=["none", "another scheme", "no base64", "two"],
)
def test_no_key_or_two_are_refused(headers: Headers, status: int) -> None:
    """Before the body is read."""
    with pytest.raises(Problem) as problem:
        RemoteWriteDialect().key(asked(*headers))

    assert status == problem.value.status


@pytest.mark.parametrize(
    ("status", "answered"),
    [(400, 400), (401, 401), (403, 400), (404, 400), (405, 405), (408, 503), (413, 400), (415, 400), (422, 400),
     (429, 503), (503, 503)],
)  # fmt: skip
def test_a_sender_of_remote_write_is_told_400_or_503(status: int, answered: int) -> None:
    """Prometheus drops on 429, and vmagent repeats a 413 for ever; all that passes bears Retry-After."""
    answer = RemoteWriteDialect().refused(asked(FIRST), Problem(status, "code", "what to do"))

    assert (answered, b"code: what to do") == (answer.status, answer.body)
    assert (answered == 503) == (b"retry-after" in dict(answer.headers))


def test_a_sender_of_version_two_is_told_what_was_written() -> None:
    """Exactly: what was refused is not, and a stale marker is."""
    body = wire.second_request(
        [
            ({"__name__": "a"}, [wire.sample(1.0, NOW), wire.sample(2.0, 5)], [], 0),
            ({"__name__": "h"}, [], [wire.histogram(0, [(1, 1)], [1], NOW)], 3),
            ({"__name__": "a"}, [wire.sample(wire.STALE, NOW)], [], 0),
        ]
    )
    answer = RemoteWriteDialect().taken(Request(body, [wire.SECOND], b"", 1, NOW), result(2, BAD))
    nothing = RemoteWriteDialect().refused(asked(wire.SECOND), Problem(503, "unavailable", "later"))

    assert (400, (b"2", b"1", b"0")) == (answer.status, written(answer.headers))
    assert (b"0", b"0", b"0") == written(nothing.headers)


def written(headers: Headers) -> tuple[bytes, ...]:
    """The counts of samples, histograms and exemplars."""
    found = dict(headers)
    return tuple(
        found[b"x-prometheus-remote-write-%b-written" % kind]
        for kind in (b"samples", b"histograms", b"exemplars")
    )


@pytest.mark.parametrize(
    ("rejected", "status", "body"),
    [
        ([], 204, b""),
        ([NAN], 204, b""),
        ([NAN, BAD], 400, b"1 samples refused, 3 kept: sample 1: ts_too_old: ts: more than 5 days old"),
    ],
)
def test_a_sample_that_is_refused_is_told(rejected: list[Rejection], status: int, body: bytes) -> None:
    """Prometheus and vmagent log it and go on; what was good is kept. NaN is no value and no fault."""
    request = Request(b"", [FIRST], b"", 1, NOW)
    answer = RemoteWriteDialect().taken(request, result(3, *rejected))

    assert (status, body) == (answer.status, answer.body)


@pytest.mark.parametrize(
    ("path", "rejected", "status", "told"),
    [
        ("/api/v2/write", [TEXT], 204, None),
        ("/api/v2/write", [TEXT, BAD], 400, {
            "code": "invalid", "line": 2, "message": "partial write: 1 fields or lines refused, 3 points kept; "
            "line 2: ts_too_old: ts: more than 5 days old",
        }),
        ("/write", [BAD], 400, {
            "error": "partial write: 1 fields or lines refused, 3 points kept; "
            "line 2: ts_too_old: ts: more than 5 days old",
        }),
    ],
)  # fmt: skip
def test_a_client_of_influxdb_is_told_the_line(
    path: str, rejected: list[Rejection], status: int, told: dict[str, Any] | None
) -> None:
    """In the JSON of its version; Telegraf looks for the words `partial write`, and drops the batch."""
    answer = InfluxDialect().taken(Request(b"", [], b"", 1, NOW, path), result(3, *rejected))

    assert (status, told) == (answer.status, orjson.loads(answer.body) if answer.body else None)


def test_a_client_of_influxdb_is_told_when_to_come_again() -> None:
    """In its own words for the status."""
    answer = InfluxDialect().refused(asked(path="/api/v2/write"), Problem(429, "rate_limited", "too much", 2))

    assert {"code": "too many requests", "message": "rate_limited: too much"} == orjson.loads(answer.body)
    assert (429, b"2") == (answer.status, dict(answer.headers)[b"retry-after"])


def test_a_client_of_influxdb_repeats_what_was_too_slow() -> None:
    """Telegraf drops what is answered 408."""
    answer = InfluxDialect().refused(asked(path="/write"), Problem(408, "body_too_slow", "too slow"))

    assert (503, b"1") == (answer.status, dict(answer.headers)[b"retry-after"])


def test_clients_of_influxdb_ask_whether_somebody_is_there() -> None:
    """Before they write."""
    answers = {path: fixed.answer(asked(path=path)).status for path, fixed in fixed_answers().items()}

    assert {"/ping": 204, "/health": 200} == answers
