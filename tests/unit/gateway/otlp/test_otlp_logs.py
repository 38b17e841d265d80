"""OTLP logs become lines, errors, events and vitals."""

import json
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from services.gateway.intake.protocols.otlp.records import MAX_RECORDS, OtlpLogs
from shared.errors import Rejected
from tests.support.otlp import NOW_MS, NOW_NS
from tests.support.otlp_events import Point, became, log, logs, of_body

PAGE = "https://shop.example/cart"
CONTEXT = {"service": "shop", "release": "1.2", "sdk": "opentelemetry", "logger": "root"}
BOTH = pytest.mark.parametrize("media", [PROTOBUF, JSON], ids=["protobuf", "json"])


@BOTH
def test_a_line_of_a_log_is_an_event_with_its_level_message_and_attributes(media: bytes) -> None:
    """And with what its resource, its scope and its trace say."""
    record = log(
        {"n": 3, "f": 1.5, "b": b"\x00\xff", "session.id": "s-1", "nested": {"a": [1, True, None]}},
        "paid",
        severity_number=10,
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
    )

    (event,) = became(logs(record), media).events

    assert ("log", "", NOW_MS, "s-1") == event[:4]
    assert event.properties == CONTEXT | {
        "level": "info",
        "message": "paid",
        "trace_id": "000102030405060708090a0b0c0d0e0f",
        "span_id": "0001020304050607",
        "attributes": {"n": 3, "f": 1.5, "b": "AP8=", "nested": {"a": [1, True, None]}},
    }


@BOTH
@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(None, "", id="absent"),
        pytest.param("", "", id="empty"),
        pytest.param(7, "7", id="a number"),
        pytest.param({"b": 1, "a": "x"}, '{"a":"x","b":1}', id="a map"),
        pytest.param(["a", 1.5], '["a",1.5]', id="a list"),
        pytest.param("a\0b", "a\N{REPLACEMENT CHARACTER}b", id="a character that no table holds"),
    ],
)
def test_a_body_of_any_type_is_a_message(media: bytes, body: object, message: str) -> None:
    """R50."""
    (event,) = became(logs(log(body=body)), media).events

    assert message == event.properties["message"]


@BOTH
@pytest.mark.parametrize(
    ("number", "text", "level"),
    [
        (1, "", "trace"), (5, "", "debug"), (9, "", "info"), (13, "", "warning"), (17, "", "error"),
        (21, "", "fatal"), (24, "", "fatal"), (0, "", "info"), (0, "WARN", "warning"), (0, "Critical", "fatal"),
        (17, "whatever", "error"),
    ],
)  # fmt: skip
def test_a_severity_is_a_level(media: bytes, number: int, text: str, level: str) -> None:
    """By its number; without one by its text; absent it is `info`."""
    (event,) = became(logs(log(severity_text=text, severity_number=number)), media).events

    assert level == event.properties["level"]


@BOTH
def test_a_record_without_a_time_has_the_one_at_which_it_was_observed(media: bytes) -> None:
    """R49: Python's API of events sets no other; without either it was received now, and no id can name it twice."""
    observed = log(time_unix_nano=0, observed_time_unix_nano=NOW_NS - 5_000_000)
    neither = log(time_unix_nano=0)

    one, two, three = became(logs(observed, neither, neither), media).events

    assert [NOW_MS - 5, NOW_MS, NOW_MS] == [one.ts_ms, two.ts_ms, three.ts_ms]
    assert 3 == len({two.id, three.id, became(logs(neither), media).events[0].id})


@BOTH
def test_an_exception_is_an_error(media: bytes) -> None:
    """R51: with its type, message and trace, whatever else the record is."""
    attributes = {
        "exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": "Traceback",
        "url.full": PAGE, "code.line.number": 3,
    }  # fmt: skip
    record = log(attributes, "it failed", severity_number=21, event_name="crash")

    (event,) = became(logs(record), media).events

    assert ("error", "ValueError") == event[:2]
    assert event.properties == CONTEXT | {
        "url": PAGE, "type": "ValueError", "message": "no", "level": "fatal", "stacktrace": "Traceback",
        "attributes": {"code.line.number": 3},
    }  # fmt: skip


@BOTH
@pytest.mark.parametrize("named", ["field", "attribute"])
def test_an_event_with_a_name_is_an_event_of_that_type(media: bytes, named: str) -> None:
    """By its field, or by the attribute of older SDKs; its body's fields stand beside its attributes."""
    fields: dict[str, Any] = {"event_name": "checkout"} if named == "field" else {}
    attributes = {"items": 3} | ({} if named == "field" else {"event.name": "checkout"})

    (event,) = became(logs(log(attributes, {"total": 9.5}, **fields)), media).events

    assert ("checkout", CONTEXT | {"items": 3, "total": 9.5}) == (event.type, event.properties)


@BOTH
@pytest.mark.parametrize("prefix", ["browser.web_vital.", ""])
@pytest.mark.parametrize("place", ["attributes", "body"])
def test_a_vital_of_a_browser_is_a_point(media: bytes, prefix: str, place: str) -> None:
    """The convention is still moving: with and without a prefix, in the attributes and in the body."""
    said = {"name": "lcp", "value": 2600.5, "delta": 100.5}
    fields = {f"{prefix}{name}": value for name, value in said.items()}
    record = log(
        {"url.full": PAGE} | (fields if place == "attributes" else {}),
        fields if place == "body" else None,
        event_name="browser.web_vital",
    )

    found = became(logs(record), media)

    rated = {"page": PAGE, "rating": "needs-improvement"}
    assert [] == found.events
    assert [
        Point("web_vital.lcp", 2600.5, rated, NOW_MS),
        Point("web_vital.lcp", 2500.0, rated | {"rating": "good"}, NOW_MS),
    ] == found.points


@BOTH
def test_a_record_that_comes_again_has_the_same_id_and_equal_records_have_others(media: bytes) -> None:
    """So that a retry counts once; the same line of another process is another one."""
    record = log({"a": 1}, "x")
    request, other = logs(record, record), logs(record, resource={"service.instance.id": "b"})

    first, second = became(request, media).events

    assert first.id != second.id
    assert [first.id, second.id] == [event.id for event in became(request, media).events]
    assert {first.id, second.id}.isdisjoint(event.id for event in became(other, media).events)


def test_a_bad_record_is_refused_alone_and_named_by_its_place() -> None:
    """Neighbours count, in JSON."""
    good = {"timeUnixNano": str(NOW_NS), "body": {"stringValue": "cut \ud83d"}}
    bad: list[Any] = [
        5, None, {"timeUnixNano": "x"}, {"timeUnixNano": -1}, {"attributes": 7}, {"body": 7}, {"eventName": 1},
        {"timeUnixNano": 1}, {"severityText": []}, {"timeUnixNano": str(1 << 70)},
        {"eventName": "browser.web_vital", "attributes": [{"key": "name", "value": {"stringValue": "x"}}]},
    ]  # fmt: skip
    records = [good, *bad, good]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()

    found = of_body(body, OtlpLogs())

    assert ["cut \N{REPLACEMENT CHARACTER}"] * 2 == [event.properties["message"] for event in found.events]
    assert list(range(1, 1 + len(bad))) == [one.index for one in found.refused]


def test_a_broken_record_in_protobuf_is_refused_alone() -> None:
    """And so is one that is nested too deeply, and each whose resource cannot be read."""
    deep: object = "x"
    for _ in range(30):
        deep = {"a": deep}
    request = logs(log(body="aaa"), log(body=deep), log(body="bbb"))
    body = request.SerializeToString() + logs(log(body="ccc")).SerializeToString()

    found = of_body(body, OtlpLogs(), PROTOBUF)
    broken = of_body(body.replace(b"\x0a\x03bbb", b"\x0a\x03b\xffb"), OtlpLogs(), PROTOBUF)
    homeless = of_body(body.replace(b"service.name", b"service.\xffame"), OtlpLogs(), PROTOBUF)

    assert ["aaa", "bbb", "ccc"] == [event.properties["message"] for event in found.events]
    assert [[1], [1, 2], [0, 1, 2, 3]] == [
        [one.index for one in each.refused] for each in (found, broken, homeless)
    ]


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"", JSON), (b"[]", JSON), (b'{"resourceLogs":7}', JSON), (b"{", JSON), (b"\xff", JSON),
        (b'{"resourceLogs":[{"scopeLogs":[7]}]}', JSON), (b"\x0a\xff", PROTOBUF), (b"{}", PROTOBUF),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused_whole(body: bytes, media: bytes) -> None:
    """There is nothing to take one by one."""
    with pytest.raises(Rejected):
        of_body(body, OtlpLogs(), media)


@pytest.mark.parametrize(
    ("body", "media"), [(b"{}", JSON), (b"", PROTOBUF), (b'{"resourceLogs":null}', JSON)]
)
def test_a_request_may_be_empty(body: bytes, media: bytes) -> None:
    """A client with nothing to say."""
    assert ([], [], []) == of_body(body, OtlpLogs(), media)


def test_records_beyond_the_limit_are_refused_one_by_one() -> None:
    """Those before it count."""
    found = became(logs(*[LogRecord(time_unix_nano=NOW_NS)] * (MAX_RECORDS + 2)))

    assert MAX_RECORDS == len(found.events)
    assert [MAX_RECORDS, MAX_RECORDS + 1] == [one.index for one in found.refused]
