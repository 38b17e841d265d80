"""A catalogue of bad input to our own JSON: one wrong item beside a good one, one answer a row.

What is wrong is named by code, and the good one counts; a body that is none is refused as a whole. Where a client that
works sends it, it is taken.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.protocols.analytics.decode import AnalyticsMetrics
from services.gateway.intake.protocols.dialect import BeaconDialect, Dialect
from services.gateway.intake.protocols.native.decode import NativeEvents
from services.gateway.intake.protocols.registry import ProtocolRoute
from shared.runtime.clock import now_ms
from tests.support.http.intake import NATIVE, FakeGrants, FakeLog, post, route

EVENTS = ProtocolRoute(("points",), NativeEvents(1000), Dialect(), "")
ROOM = ConcurrencyLimits(9, 1 << 30)
WIDE = FakeGrants(Grant(1, "write", 1e9, 1e9))
GOOD = b'{"name":"ok","value":1}'
BODY = b'{"points":[%b,%b]}'
TAKEN = (202, "")


def point(**fields: Any) -> bytes:
    """A point with these fields beside a good one."""
    return BODY % (json.dumps({"name": "a", "value": 1} | fields).encode(), GOOD)


def spelt(field: str, text: str) -> bytes:
    """A point with a field that is spelt so beside a good one."""
    fields = {"name": '"a"', "value": "1"} | {field: text}
    return BODY % (
        ("{" + ",".join(f'"{each}":{value}' for each, value in fields.items()) + "}").encode(),
        GOOD,
    )


def event(**fields: Any) -> bytes:
    """An event with these fields beside a good one."""
    made = {"event_id": "e", "type": "click"} | fields
    return json.dumps({"events": [made, {"event_id": "ok", "type": "click"}]}).encode()


async def said(
    body: bytes,
    *headers: tuple[bytes, bytes],
    protocol: ProtocolRoute = NATIVE,
    media: bytes = b"application/json",
) -> tuple[int, str]:
    """Status, and the code of the problem or of the first item that was refused."""
    made, _ = route(FakeLog(), WIDE, ROOM, protocol=protocol)
    made._limits = replace(made._limits, wire_bytes=1 << 20, decoded_bytes=5 << 20)
    sent = await post(made, [body, b""] if body else [b""], *headers, media=media)
    told = json.loads(sent[1]["body"])
    rejected = [f"{each['index']} {each['code']}" for each in told.get("rejected", [])]
    return sent[0]["status"], told.get("code") or " ".join(rejected)


WHOLE = BODY % (b'{"name":"a","value":1}', GOOD)
PACKED = gzip.compress(WHOLE)
GZIP, JSON = (b"content-encoding", b"gzip"), b"application/json"
ENCODINGS: dict[str, tuple[bytes, tuple[tuple[bytes, bytes], ...], bytes, str]] = {
    "21 brotli": (WHOLE, ((b"content-encoding", b"br"),), JSON, "415 unsupported_encoding"),
    "22 gzip bomb": (gzip.compress(bytes(64 << 20)), (GZIP,), JSON, "413 body_too_large"),
    "22 gzip bomb, small": (gzip.compress(bytes(1 << 20)), (GZIP,), JSON, "413 inflated_too_much"),
    "23 gzip in gzip": (PACKED, ((b"content-encoding", b"gzip, gzip"),), JSON, "415 unsupported_encoding"),
    "24 zstd": (WHOLE, ((b"content-encoding", b"zstd"),), JSON, "415 unsupported_encoding"),
    "26 cut gzip": (PACKED[:-9], (GZIP,), JSON, "400 bad_gzip"),
    "27 wrong sum": (PACKED[:-8] + bytes(8), (GZIP,), JSON, "400 bad_gzip"),
    "28 bytes behind": (PACKED + b"x", (GZIP,), JSON, "400 bad_gzip"),
    "28 two members, RFC 1952 2.2": (PACKED + gzip.compress(b" "), (GZIP,), JSON, "202 "),
    "29 plain as gzip": (WHOLE, (GZIP,), JSON, "400 bad_gzip"),
    "30 gzip as plain": (PACKED, (), JSON, "400 malformed_json"),
    "31 UTF-16": (WHOLE.decode().encode("utf-16"), (), JSON, "400 malformed_json"),
    "32 byte order mark": (b"\xef\xbb\xbf" + WHOLE, (), JSON, "400 malformed_json"),
    "33 byte FF": (b"\xff" + WHOLE, (), JSON, "400 malformed_json"),
    "33 byte FF in a name": (WHOLE.replace(b'"a"', b'"\xff"'), (), JSON, "202 0 invalid_point"),
    "34 overlong": (WHOLE.replace(b'"a"', b'"\xc0\x80"'), (), JSON, "202 0 invalid_point"),
    "35 surrogate in UTF-8": (WHOLE.replace(b'"a"', b'"\xed\xa0\x80"'), (), JSON, "202 0 invalid_point"),
    "36 text": (WHOLE, (), b"text/plain", "415 unsupported_media_type"),
    "37 form": (WHOLE, (), b"application/x-www-form-urlencoded", "415 unsupported_media_type"),
    "37 multipart": (WHOLE, (), b"multipart/form-data; boundary=x", "415 unsupported_media_type"),
    "38 latin-1": (WHOLE, (), b"application/json; charset=latin-1", "415 unsupported_media_type"),
}  # fmt: skip
"""Rows 21 to 38: body, headers, content type, answer."""

KEYS = ",".join(f'"k{at}":1' for at in range(60_000))
BROKEN: dict[str, tuple[bytes, str]] = {
    "39 empty": (b"", "400 malformed_json"),
    "39 blanks": (b" \n", "400 malformed_json"),
    **{f"40 {text}": (text.encode(), "400 invalid_body") for text in ("null", "true", "1", '"x"')},
    "41 comma": (b'{"points":[1,]}', "400 malformed_json"),
    "41 single quotes": (b"{'points':[]}", "400 malformed_json"),
    "41 comment": (WHOLE + b" // x", "400 malformed_json"),
    "42 two documents": (WHOLE + WHOLE, "400 malformed_json"),
    "42 NUL behind": (WHOLE + b"\0", "400 malformed_json"),
    **{f"43 {text}": (spelt("value", text), "400 malformed_json") for text in ("01", "+1", "1.", "0x10", ".5")},
    "44 a name twice, the last counts": (b'{"points":[{"name":"","name":"b","value":1}]}', "202 "),
    "45 200,000 lists": (b"[" * 200_000, "400 invalid_body"),
    "45 the same in labels": (spelt("labels", "[" * 200_000 + "]" * 200_000), "400 malformed_json"),
    "46 1,000 levels in an unknown field": (spelt("more", "[" * 1000 + "]" * 1000), "400 malformed_json"),
    "47 one string": (point(name="x" * 900_000), "202 0 invalid_name"),
    "48 300,000 empty objects": (b'{"points":[' + b"{}," * 300_000 + b"{}]}", "413 too_many_objects"),
    "48 100,000 empty objects": (b'{"points":[' + b"{}," * 100_000 + b"{}]}", "413 too_many_points"),
    "49 60,000 labels": (spelt("labels", "{" + KEYS + "}"), "202 0 invalid_labels"),
    "49 60,000 unknown fields": (b"{%b," % KEYS.encode() + WHOLE[1:], "202 "),
    "50 tab in a string": (point(labels={"a": "x"}).replace(b'"x"', b'"\t"'), "400 malformed_json"),
    "50 newline in a string": (WHOLE.replace(b'"a"', b'"\n"'), "400 malformed_json"),
    "51 half a pair in a label": (spelt("labels", '{"a":"\\ud800"}'), "202 "),
    "52 NUL in a name": (spelt("name", '"\\u0000"'), "202 0 invalid_name"),
    "52 NUL in a label": (spelt("labels", '{"a":"\\u0000"}'), "202 0 invalid_labels"),
    "91 no points": (b'{"points":[]}', "400 no_points"),
    "92 1,001": (b'{"points":[' + b",".join([GOOD] * 1001) + b"]}", "413 too_many_points"),
    "93 999 good and a bad one": (b'{"points":[' + (GOOD + b",") * 999 + b"{}]}", "202 999 invalid_name"),
    "100 another's tenant_id, never looked at": (point(tenant_id=9), "202 "),
    "101 unknown field": (point(more=1), "202 "),
    "102 version of the future, a field as any": (point(schema_version=99), "202 "),
}  # fmt: skip
"""Rows 39 to 52 and 91 to 102."""

NUMBERS = {
    "0 invalid_value": [
        "NaN", "Infinity", "-Infinity", "1e999", '"NaN"', '"inf"', '"12.5"', '" 12.5 "', '"1_000"', "true", "null",
        "[1]", "{}", "1" + "0" * 4000, "1" + "0" * 5000,
    ],
    "0 value_out_of_range": ["1e308", "-1e308"],
    "": ["5e-324", "-0", "-0.0", "9007199254740993", "9223372036854775808", "18446744073709551616"],
}  # fmt: skip
"""Rows 53 to 64 and 66: values, by what is said of them."""

TIMES = {
    "0 ts_in_future": ['"9999-12-31T23:59:59-12:00"', "9223372036854775808", "18446744073709551616", "1" * 4000],
    "0 ts_too_old": ['"0001-01-01T00:00:00+14:00"', "-1", "0", "1700000000"],
    "0 invalid_ts": [
        '"1700000000"', '"2026-11-29T00:00:00"', '"2026-11-29"', '"2026-11-29T10:00:60Z"', "true", "Infinity", "[1]",
        "{}", '""',
    ],
    "": ["null"],
}  # fmt: skip
"""Rows 62, 63 and 67 to 77."""

NAMES = {
    "0 invalid_name": ["", "x" * 201, "a\nb", "__a"],
    "": ["x" * 200, "a b", "\U0001f600", "../", "a';--", "=1+1", "<script>", "{{7*7}}", "\u00e9", "e\u0301"],
}
"""Rows 82, 86 and 90."""

LABELS: dict[str, list[dict[str, Any]]] = {
    "0 invalid_labels": [
        {f"l{at}": "v" for at in range(31)}, {"k" * 65: "v"}, {"k": "v" * 257}, {"k": "\u00e9" * 128 + "x"},
        {"k": "a\r\nb"}, {"k": "\x1b[31m"}, {"k": "\u202e"}, {"k": "\x7f"}, {"k": {}}, {"k": []},
        {"tenant": "v"}, {"tenant_id": "v"}, {"__name__": "v"},
    ],
    "": [
        {f"l{at}": "v" for at in range(30)}, {"k" * 64: "v"}, {"k": "v" * 256}, {"k": "\u00e9" * 128}, {"k": 1},
        {"k": None}, {"k": True}, {"le": "1"}, {"k": "=1+1"}, {"k": "\u00e9"}, {"k": "e\u0301"},
    ],
}  # fmt: skip
"""Rows 83 to 88 and 90: below, at and above each limit, in bytes."""

HISTOGRAMS = [([1], [-1, 1]), ([2, 1], [1, 1, 1]), ([1, 2], [1, 1])]
"""Row 65: below 0, unsorted, of unequal lengths."""

OCCURRENCES: dict[str, tuple[bytes, str]] = {
    "46 18 levels": (event(properties={"a": json.loads("[" * 18 + "]" * 18)}), "202 "),
    "46 25 levels": (event(properties={"a": json.loads("[" * 25 + "]" * 25)}), "202 0 invalid_properties"),
    "47 32,000 bytes": (event(properties={"a": "x" * 32_000}), "202 "),
    "47 33,000 bytes": (event(properties={"a": "x" * 33_000}), "202 0 invalid_properties"),
    "52 NUL in a property": (event(properties={"a": "\0"}), "202 0 invalid_properties"),
    "52 NUL in a type": (event(type="a\0"), "202 0 invalid_type"),
    "94 an id twice": (event(event_id="ok"), "202 "),
    "95 an id twice with another type": (event(event_id="ok", type="view"), "202 "),
    "96 no id": (event(event_id=None), "202 0 invalid_event_id"),
    "97 128 bytes": (event(event_id="x" * 128), "202 "),
    "97 129 bytes": (event(event_id="x" * 129), "202 0 invalid_event_id"),
    "97 NUL": (event(event_id="a\0"), "202 0 invalid_event_id"),
    "97 empty": (event(event_id=""), "202 0 invalid_event_id"),
}
"""Rows of events."""


@pytest.mark.parametrize("name", ENCODINGS)
async def test_an_encoding_is_what_it_says(name: str) -> None:
    """RFC 9110 8.4, RFC 1952, UTF-8."""
    body, headers, media, expected = ENCODINGS[name]

    assert expected == "{} {}".format(*await said(body, *headers, media=media))


@pytest.mark.parametrize("name", BROKEN)
async def test_a_body_is_json_and_a_list_of_points(name: str) -> None:
    """RFC 8259, and what is in it is looked at one by one."""
    body, expected = BROKEN[name]

    assert expected == "{} {}".format(*await said(body))


@pytest.mark.parametrize("name", OCCURRENCES)
async def test_an_event_is_judged_by_itself(name: str) -> None:
    """Ids, types and properties."""
    body, expected = OCCURRENCES[name]

    assert expected == "{} {}".format(*await said(body, protocol=EVENTS))


def bodies() -> Iterator[tuple[bytes, str]]:
    """What is said of fields of points: a body and the refusal."""
    for field, table in (("value", NUMBERS), ("ts", TIMES)):
        for expected, texts in table.items():
            yield from ((spelt(field, text), expected) for text in texts)
    for expected, names in NAMES.items():
        yield from ((point(name=name), expected) for name in names)
    for expected, many in LABELS.items():
        yield from ((point(labels=labels), expected) for labels in many)
    for bounds, counts in HISTOGRAMS:
        made = {"name": "a", "kind": "delta", "histogram": {"bounds": bounds, "counts": counts}}
        yield BODY % (json.dumps(made).encode(), GOOD), "0 invalid_histogram"


ROWS = [
    pytest.param(body, code, id=f"{at} {body[12:50].decode('ascii', 'replace')}")
    for at, (body, code) in enumerate(bodies())
]


@pytest.mark.parametrize(("body", "expected"), ROWS)
async def test_a_field_is_judged_by_itself(body: bytes, expected: str) -> None:
    """The good point beside it counts, whatever stands in a field."""
    assert (202, expected) == await said(body)


NOW = now_ms()
VITALS = ProtocolRoute(("points",), AnalyticsMetrics(1000), BeaconDialect(), "")
WORKING: dict[str, tuple[bytes, ProtocolRoute, str]] = {
    "a time in exponents": (spelt("ts", f"{NOW / 1e12:.12f}e+12"), NATIVE, "202 "),
    "a time with a fraction": (spelt("ts", f"{NOW}.5"), NATIVE, "202 "),
    "null for what may be absent": (point(ts=None, labels=None, unit=None, weight=None), NATIVE, "202 "),
    "a label of Kubernetes": (point(labels={"app.kubernetes.io/name": "web"}), NATIVE, "202 "),
    "a histogram without bounds": (
        BODY % (b'{"name":"a","kind":"delta","histogram":{"bounds":[],"counts":[5]}}', GOOD), NATIVE, "202 ",
    ),
    "a number for a user": (event(user_id=42, session_id=7), EVENTS, "202 "),
    "a type with a blank": (event(type="Button Clicked"), EVENTS, "202 "),
    "a type with a dollar": (event(type="$pageview"), EVENTS, "202 "),
    "an INP of 75 s": (b'{"metrics":[{"name":"INP","value":75000}]}', VITALS, "202 "),
    "a time beyond all": (
        b'{"metrics":[{"name":"INP","value":75,"timestamp":1e300},{"name":"INP","value":75}]}', VITALS,
        "202 0 ts_in_future",
    ),
    "a time of 20 digits": (
        b'{"metrics":[{"name":"INP","value":75,"timestamp":99999999999999999999},{"name":"INP","value":75}]}', VITALS,
        "202 0 ts_in_future",
    ),
}  # fmt: skip
"""What clients that work were met with a refusal for elsewhere, and what cost the good item beside it."""


@pytest.mark.parametrize("name", WORKING)
async def test_what_working_clients_send_is_taken(name: str) -> None:
    """The edge is not stricter than JSON is."""
    body, protocol, expected = WORKING[name]

    assert expected == "{} {}".format(*await said(body, protocol=protocol))


async def test_a_batch_under_a_key_may_be_written_anew() -> None:
    """Other blanks and another moment of sending are the same batch; another value is not."""
    log = FakeLog()
    made, _ = route(log, WIDE, ROOM)
    texts = (
        b'{"sent_at":1790000000000,"points":[{"name":"a","value":1}]}',
        b'{ "sent_at": 1790000009999, "points": [ {"name": "a", "value": 1} ] }',
        b'{"sent_at":1790000000000,"points":[{"name":"a","value":2}]}',
    )

    answers = [await post(made, [text, b""], (b"idempotency-key", b"k")) for text in texts]

    assert [202, 202, 422] == [sent[0]["status"] for sent in answers]
    assert log.identities[0] == log.identities[1]
