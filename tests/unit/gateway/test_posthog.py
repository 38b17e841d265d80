"""PostHog's clients: bodies opened by their bytes, events routed by their names, answers that end a retry."""

import gzip
import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from services.gateway.http.problems import Problem
from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.dialect import Asked
from services.gateway.intake.protocols.posthog.body import opened, opened_gzip
from services.gateway.intake.protocols.posthog.decode import Capture
from services.gateway.intake.protocols.posthog.dialect import PostHogDialect
from services.gateway.intake.service import IntakeResult
from shared.errors import Rejected
from shared.model.event import MAX_TYPE

NOW = 1_760_000_001_000
TS = "2025-10-09T08:53:20.500Z"
ASKED = Asked("/i/v0/e/", b"", [])
KEY = "tg_w_a"


def event(name: object = "order placed", **fields: Any) -> dict[str, Any]:
    """A captured event."""
    return {"event": name, "uuid": "u-1", "distinct_id": "ann", "timestamp": TS, "properties": {}, **fields}


def batch(*events: object, **fields: Any) -> bytes:
    """A batch of events."""
    return json.dumps({"api_key": KEY, "batch": events, **fields}).encode()


def decoded(body: bytes, query: bytes = b"") -> RequestColumns:
    """What comes of a body."""
    return Capture(100, 100).decode(Request(body, [], query, 7, NOW))


def types(columns: RequestColumns) -> tuple[list[str], list[tuple[int, str]]]:
    """The types of the events, and what was refused."""
    found = list(columns.events.type) if columns.events else []
    return found, [(each.index, each.code) for each in columns.refused]


BODY = batch(event())
FORM = b"data=" + quote(b64encode(BODY)).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY, id="JSON"),
        pytest.param(gzip.compress(BODY), id="gzip, whatever the header says"),
        pytest.param(FORM, id="a form"),
        pytest.param(FORM + b"&compression=base64", id="a form of two fields"),
        pytest.param(b"data=" + quote(b64encode(gzip.compress(BODY))).encode(), id="gzip in a form"),
    ],
)
def test_a_body_is_opened_by_its_bytes(body: bytes) -> None:
    """posthog-js sends gzip as plain text, and a beacon as a form."""
    assert BODY == opened(body, len(BODY))


@pytest.mark.parametrize("body", [BODY, gzip.compress(BODY), FORM], ids=["JSON", "gzip", "form"])
def test_a_body_that_is_too_large_when_opened_is_413(body: bytes) -> None:
    """By one byte."""
    with pytest.raises(Problem) as raised:
        opened(body, len(BODY) - 1)

    assert 413 == raised.value.status


@pytest.mark.parametrize(
    "body", [b"\x1f\x8b", gzip.compress(BODY)[:-9], b"data=a", b"data=" + b64encode(b"\x1f\x8bx")],
    ids=["two bytes", "cut gzip", "cut base64", "no gzip in a form"],
)  # fmt: skip
def test_a_body_that_cannot_be_opened_is_400(body: bytes) -> None:
    """For it would be no better the second time."""
    with pytest.raises(Problem) as raised:
        opened(body, 1000)

    assert 400 == raised.value.status


def test_gzip_that_the_header_names_is_opened_too() -> None:
    """The Python client says what it sends."""
    assert BODY == opened_gzip(gzip.compress(BODY), len(BODY))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY, id="api_key beside a batch"),
        pytest.param(json.dumps({"token": KEY, **event()}).encode(), id="token beside an event"),
        pytest.param(json.dumps([event(properties={"token": KEY})]).encode(), id="token in a list of events"),
        pytest.param(json.dumps(event(properties={"token": KEY})).encode(), id="token in one event"),
        pytest.param(batch(event(properties={"a": float("nan")})), id="beside a NaN"),
        pytest.param(batch(event("a\ud800")), id="beside half of a character"),
    ],
)
def test_the_key_stands_in_the_body(body: bytes) -> None:
    """There is no header for it."""
    assert KEY.encode() == PostHogDialect().key_of_body(ASKED, body)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 401, id="empty"), pytest.param(b"[]", 401, id="no event"),
        pytest.param(b"[[null, null, true], {}, {}]", 401, id="a list in a list"),
        pytest.param(b'{"api_key":7}', 401, id="a number"), pytest.param(b"[" * 9000, 401, id="deep"),
        pytest.param(b'{"api_key":"%b"}' % (b"k" * 600), 401, id="too long"),
        pytest.param(b'{"api_key":"\\ud800"}', 401, id="half a character"),
        pytest.param(b'{"api_key":"a","token":"b"}', 400, id="two that differ"),
    ],
)  # fmt: skip
def test_a_body_without_a_key_is_refused(body: bytes, status: int) -> None:
    """As PostHog says it."""
    with pytest.raises(Problem) as raised:
        PostHogDialect().key_of_body(ASKED, body)

    answer = PostHogDialect().refused(ASKED, raised.value)
    assert status == answer.status
    assert {"type", "code", "detail"} == set(json.loads(answer.body))


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        pytest.param("Button Clicked", "Button Clicked", id="an application's own"),
        pytest.param("n" * 65, "n" * MAX_TYPE, id="one that is too long"),
        pytest.param("$pageview", "page_view", id="a page view"),
        pytest.param("$exception", "error", id="an exception"),
        pytest.param("$autocapture", "$autocapture", id="a click"),
        pytest.param("$survey shown", "$survey shown", id="one of PostHog that nobody knows yet"),
    ],
)
def test_an_event_is_routed_by_its_name(name: str, type_: str) -> None:
    """Those of an application keep it."""
    assert ([type_], []) == types(decoded(batch(event(name))))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param(event("$set"), "not_kept", id="about a person"),
        pytest.param(event("$feature_flag_called"), "not_kept", id="about a flag"),
        pytest.param(event(7), "invalid_type", id="a number for a name"),
        pytest.param(event(""), "invalid_type", id="an empty name"),
        pytest.param(event(timestamp="then"), "invalid_ts", id="no time"),
        pytest.param(event(properties=[1]), "invalid_event", id="properties that are a list"),
        pytest.param(event(properties={"token": "tg_w_other"}), "two_keys", id="a key of another project"),
        pytest.param(
            event("$web_vitals", properties={"$web_vitals_LCP_value": None}), "invalid_value", id="null"
        ),
        pytest.param(7, "invalid_event", id="a number"),
        pytest.param(None, "invalid_event", id="null for an event"),
    ],
)
def test_a_bad_event_is_refused_by_itself(bad: object, code: str) -> None:
    """Under its index, and its neighbours are taken."""
    assert (["a", "b"], [(1, code)]) == types(decoded(batch(event("a"), bad, event("b"))))


def test_null_is_no_value_and_harms_no_other_vital() -> None:
    """NaN and infinities come as null."""
    said = {"$web_vitals_LCP_value": None, "$web_vitals_CLS_value": 0.05, "$web_vitals_FCP_value": 0}

    points = decoded(batch(event("$web_vitals", properties=said))).points

    assert points is not None
    assert (["web_vital.cls", "web_vital.fcp"], [0.05, 0.0]) == (points.name, points.value.tolist())


def test_properties_keep_every_digit() -> None:
    """A number that a float cannot hold goes to the log as it came."""
    body = b'{"api_key":"k","batch":[{"event":"a","properties":{"n":36893488147419103233,"$lib":"web","m":1.50}}]}'

    events = decoded(body).events

    assert events is not None
    assert b'"n":36893488147419103233' in bytes(events.properties[0])
    assert b'"m":1.50' in bytes(events.properties[0])
    assert b"$lib" not in bytes(events.properties[0])


@pytest.mark.parametrize(
    ("fields", "sent_at", "ts_ms"),
    [
        pytest.param({}, "2025-10-09T08:53:21Z", 1_760_000_000_500, id="a right clock"),
        pytest.param({}, "2025-10-09T07:53:21Z", 1_760_003_600_500, id="an hour behind"),
        pytest.param({"timestamp": None, "offset": 300}, None, NOW - 300, id="how long ago"),
        pytest.param({"timestamp": None}, None, NOW, id="not said"),
        pytest.param({}, {"a": 1}, 1_760_000_000_500, id="a moment of sending that is none"),
    ],
)
def test_a_wrong_clock_is_corrected(fields: dict[str, Any], sent_at: object, ts_ms: int) -> None:
    """By the moment of sending, or by how long ago an event was."""
    events = decoded(batch(event(**fields), sent_at=sent_at)).events

    assert events is not None
    assert [ts_ms] == events.ts_ms


def test_an_older_client_says_in_the_query_when_it_sent() -> None:
    """A list of events has no other place for it."""
    events = decoded(json.dumps([event()]).encode(), b"compression=gzip-js&_=1759996401000").events

    assert events is not None
    assert [1_760_003_600_500] == events.ts_ms


def test_a_batch_that_is_sent_again_later_is_known() -> None:
    """By its events: a retry says another moment of sending."""
    first, again = (
        batch(event(), sent_at=sent_at) for sent_at in ("2025-10-09T08:53:21Z", "2025-10-09T08:54:21Z")
    )

    assert decoded(first).content == decoded(again).content != decoded(batch(event("other"))).content


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"7", "invalid_body", id="a number"), pytest.param(b"{", "malformed_json", id="cut"),
        pytest.param(b'{"batch":7}', "invalid_body", id="a batch that is a number"),
        pytest.param(b'{"batch":[]}', "no_events", id="no event"), pytest.param(b"[]", "no_events", id="an empty list"),
        pytest.param(batch(*[event()] * 101), "too_many_events", id="too many"),
    ],
)  # fmt: skip
def test_a_body_that_holds_no_events_is_refused_as_a_whole(body: bytes, code: str) -> None:
    """By name."""
    with pytest.raises(Rejected) as refusal:
        decoded(body)

    assert code == refusal.value.code


def test_whatever_was_refused_by_itself_the_answer_is_ok() -> None:
    """Any other makes the client send the same batch again and again."""
    refused = IntakeResult(Outcome.ACCEPTED, 0, [Rejection(0, "invalid_ts", "timestamp")])

    answer = PostHogDialect().taken(Request(BODY, [], b"", 7, NOW), refused)

    assert (200, {"status": "Ok"}) == (answer.status, json.loads(answer.body))


def test_over_a_limit_the_answer_is_503() -> None:
    """posthog-js drops what is answered 429, and tries again after 503."""
    answer = PostHogDialect().refused(ASKED, Problem(429, "rate_limited", "too much", 7))

    assert (503, b"7") == (answer.status, dict(answer.headers)[b"retry-after"])
