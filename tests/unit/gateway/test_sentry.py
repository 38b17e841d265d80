"""Envelopes of Sentry's SDKs: framed whatever their lengths say, each record taken or refused by itself."""

import json
from collections import Counter
from typing import Any

import cramjam
import pytest

from services.gateway.http.problems import Problem
from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.dialect import Asked
from services.gateway.intake.protocols.sentry.decode import SentryEnvelopes
from services.gateway.intake.protocols.sentry.dialect import SentryDialect, TunnelDialect, brotli
from services.gateway.intake.service import IntakeResult
from shared.errors import Rejected

NOW = 1_760_000_001_000
TS = 1_760_000_000.5
ID = "3a560259fd354d53bfd7b1cde9d63688"
PATH = "/api/1/envelope/"

Found = tuple[list[str], list[tuple[int, str]]]


def packed(value: object) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def item(payload: object, type_: str = "log", **header: Any) -> bytes:
    """An item; its payload may be bytes."""
    content = payload if isinstance(payload, bytes) else packed(payload)
    return packed({"type": type_, **header}) + b"\n" + content


def line(body: str) -> bytes:
    """A log of one line, as an item without a length."""
    return item({"items": [{"timestamp": TS, "level": "info", "body": body}]})


def counted(body: str) -> bytes:
    """The same with its length."""
    payload = packed({"items": [{"timestamp": TS, "level": "info", "body": body}]})
    return item(payload, length=len(payload))


def envelope(*items: bytes, **header: Any) -> bytes:
    """An envelope, its last line without an end."""
    return b"\n".join([packed(header), *items])


def decoded(body: bytes, query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()) -> RequestColumns:
    """What comes of a body."""
    return SentryEnvelopes(100, 100).decode(Request(body, headers, query, 7, NOW, PATH))


def found(columns: RequestColumns) -> Found:
    """The messages of the events, and what was refused."""
    events = columns.events.properties if columns.events else []
    messages = [json.loads(bytes(each))["message"] for each in events]
    return messages, [(each.index, each.code) for each in columns.refused]


@pytest.mark.parametrize(
    ("items", "messages", "refused"),
    [
        pytest.param([line("a"), counted("b"), line("c")], ["a", "b", "c"], [], id="lengths and lines mixed"),
        pytest.param([line("a"), b"", b"", counted("b")], ["a", "b"], [], id="empty lines between"),
        pytest.param([counted("a") + b"\n"], ["a"], [], id="a last line with an end"),
        pytest.param([item(b"", "attachment", length=0), line("a")], ["a"], [(0, "not_kept")], id="an empty payload"),
        pytest.param(
            [item(b'{"type":"log"}\n\n{}', "attachment", length=18), line("a")],
            ["a"], [(0, "not_kept")], id="a payload of several lines",
        ),
        pytest.param([item({}, "profile_chunk"), line("a")], ["a"], [(0, "not_kept")], id="a type that nobody knows"),
        pytest.param([item({}, length=1), line("a")], ["a"], [(0, "wrong_length")], id="a length too short"),
        pytest.param([item({}, length=60), line("a")], ["a"], [(0, "wrong_length")], id="a length into the next"),
        pytest.param([item({}, length=10**30), line("a")], ["a"], [(0, "wrong_length")], id="a length beyond the body"),
        pytest.param([item({}, length=-1), line("a")], ["a"], [(0, "wrong_length")], id="a length below zero"),
        pytest.param([item({}, length="2"), line("a")], ["a"], [(0, "wrong_length")], id="a length that is a text"),
        pytest.param([b"{}\n{}", line("a")], ["a"], [(0, "invalid_item_header")], id="a header without a type"),
        pytest.param([b"\xff\n{}", line("a")], ["a"], [(0, "invalid_item_header")], id="a header that is no JSON"),
        pytest.param([item(b"[1]"), line("a")], ["a"], [(0, "invalid_item")], id="a payload that is a list"),
        pytest.param([item(b"\xff"), line("a")], ["a"], [(0, "invalid_item")], id="a payload that is no UTF-8"),
        pytest.param([item(b'{"items":[1,{}]}'), line("a")], ["", "a"], [(0, "invalid_item")], id="a line that is 1"),
        pytest.param([item(b"[" * 90_000), line("a")], ["a"], [(0, "invalid_item")], id="a payload nested too deeply"),
        pytest.param([line("cut"), line("a\ud83d")], ["cut", "a\ufffd"], [], id="half a character"),
        pytest.param([], [], [], id="no item"),
    ],
)  # fmt: skip
def test_what_is_wrong_harms_no_neighbour(
    items: list[bytes], messages: list[str], refused: list[tuple[int, str]]
) -> None:
    """Each record is taken or refused under its own index, and framing goes on behind a length that lies."""
    assert (messages, refused) == found(decoded(envelope(*items)))


def test_an_envelope_cut_anywhere_gives_what_was_whole() -> None:
    """Behind its first line; before that there is nothing to take."""
    body = envelope(counted("a"), line("b"), counted("c"), event_id=ID)
    ends = [body.index(b'"body":"%b"}]}' % each) + len(b'"body":"a"}]}') for each in (b"a", b"b", b"c")]
    first_line = body.index(b"\n")

    for cut in range(first_line, len(body) + 1):
        messages, _ = found(decoded(body[:cut]))
        assert ["a", "b", "c"][: sum(cut >= end for end in ends)] == messages
    for cut in range(first_line):
        with pytest.raises(Rejected, match="invalid_envelope"):
            decoded(body[:cut])


def test_a_session_that_is_updated_often_begins_and_ends_once() -> None:
    """By its id and its status, with dashes or without."""
    updates = [
        {"sid": "fc82c02a-6b42-41c0-b4a6-08a35c647406", "init": True, "status": "ok", "started": TS, "timestamp": TS},
        {"sid": "fc82c02a6b4241c0b4a608a35c647406", "status": "ok", "errors": 1, "started": TS, "timestamp": TS + 1},
        {"sid": "fc82c02a6b4241c0b4a608a35c647406", "status": "exited", "started": TS, "timestamp": TS + 1},
        {"sid": "fc82c02a-6b42-41c0-b4a6-08a35c647406", "status": "exited", "started": TS, "timestamp": TS + 2},
    ]  # fmt: skip

    events = decoded(envelope(*(item(each, "session") for each in updates))).events

    assert events is not None
    assert [("session_end", 2), ("session_start", 2)] == sorted(Counter(events.type).items())
    assert len(set(zip(events.type, events.event_id, strict=True))) == 2


def test_equal_lines_of_one_envelope_are_two_and_a_repeat_is_known() -> None:
    """Their ids follow from their bytes and their place among equal ones."""
    body = envelope(line("a"), line("a"))

    first, again = decoded(body).events, decoded(body).events

    assert first is not None
    assert again is not None
    assert (2, first.event_id) == (len(set(first.event_id)), again.event_id)


@pytest.mark.parametrize(
    ("sent_at", "said", "ts_ms"),
    [
        pytest.param(TS + 0.5, TS, 1_760_000_000_500, id="a right clock"),
        pytest.param(TS + 3600.5, TS + 3600, 1_760_000_000_500, id="an hour ahead"),
        pytest.param(
            "2025-10-09T07:53:21Z", "2025-10-09T07:53:20Z", 1_760_000_000_000, id="an hour behind, as text"
        ),
        pytest.param(TS + 0.5, TS - 3600, 1_759_996_400_500, id="kept for an hour while offline"),
        pytest.param("soon", TS, 1_760_000_000_500, id="no time"),
        pytest.param(None, TS, 1_760_000_000_500, id="not said"),
    ],
)
def test_a_wrong_clock_is_corrected_by_the_moment_of_sending(
    sent_at: object, said: object, ts_ms: int
) -> None:
    """Not what was kept and is sent late by a right one."""
    events = decoded(envelope(item({"items": [{"timestamp": said, "body": "a"}]}), sent_at=sent_at)).events

    assert events is not None
    assert [ts_ms] == events.ts_ms


def test_an_envelope_that_is_sent_again_later_is_known() -> None:
    """By all but its first line, which says when it was sent."""
    first, again = (envelope(line("a"), sent_at=sent_at) for sent_at in (TS, TS + 60))

    assert decoded(first).content == decoded(again).content != decoded(envelope(line("b"))).content


def test_a_message_of_a_browser_is_no_error() -> None:
    """It bears the stack of where it was captured, in an exception without a type."""
    captured = {
        "values": [{"value": "started", "mechanism": {"synthetic": True}, "stacktrace": {"frames": []}}]
    }
    message = {"exception": captured, "message": "started", "level": "info", "event_id": ID, "timestamp": TS}

    events = decoded(envelope(item(message, "event"))).events

    assert events is not None
    assert (["log"], "started") == (events.type, json.loads(bytes(events.properties[0]))["message"])


@pytest.mark.parametrize(
    ("said", "site", "page"),
    [
        pytest.param("/users/:id", b"cross-site", "/users/:id", id="the route of a router"),
        pytest.param("Pageload", b"same-origin", "https://shop.example/cart", id="the page that posts"),
        pytest.param("Pageload", b"cross-site", None, id="nobody says it"),
    ],
)
def test_a_vital_belongs_to_the_page_that_is_known(said: str, site: bytes, page: str | None) -> None:
    """Spans of vitals hold no address."""
    attributes = {"browser.web_vital.lcp.value": {"value": 1200}, "sentry.transaction": {"value": said}}
    spans = item({"items": [{"end_timestamp": TS, "attributes": attributes}]}, "span")
    headers = ((b"referer", b"https://shop.example/cart?q=1"), (b"sec-fetch-site", site))

    points = decoded(envelope(spans), headers=headers).points

    assert points is not None
    assert page == points.labels_of(0).get("page")


def test_what_is_not_kept_of_an_item_is_refused_once() -> None:
    """A page load has hundreds of spans that are nothing here, and a tenant's rate is not for them."""
    others = item({"items": [{"name": "db"}] * 50}, "span")

    columns = decoded(envelope(others, line("a")))

    assert (["a"], [(0, "not_kept")]) == found(columns)
    assert columns.events is not None
    assert [50] == columns.events.index


@pytest.mark.parametrize(
    ("query", "headers", "key"),
    [
        pytest.param(b"sentry_version=7&sentry_key=tg_w_a", [], b"tg_w_a", id="query"),
        pytest.param(
            b"", [(b"x-sentry-auth", b"Sentry sentry_version=7, sentry_key=tg_w_a, sentry_client=x/1")],
            b"tg_w_a", id="header of its own",
        ),
        pytest.param(b"", [(b"authorization", b"Bearer tg_w_a")], b"tg_w_a", id="our own header"),
    ],
)  # fmt: skip
def test_the_key_is_where_an_sdk_puts_it(
    query: bytes, headers: list[tuple[bytes, bytes]], key: bytes
) -> None:
    """In the query for browsers, in a header for servers."""
    assert key == SentryDialect().key(Asked(PATH, query, headers))


@pytest.mark.parametrize("dialect", [SentryDialect(), TunnelDialect()], ids=["request", "tunnel"])
def test_a_request_without_a_key_is_401(dialect: SentryDialect) -> None:
    """As Sentry says it: a detail and its causes."""
    asked = Asked(PATH, b"", [])
    with pytest.raises(Problem) as raised:
        dialect.key_of_body(asked, b"{}") if dialect.key_in_body else dialect.key(asked)

    answer = dialect.refused(asked, raised.value)

    assert 401 == answer.status
    assert {"detail": "a known API key is needed", "causes": ["unauthorised"]} == json.loads(answer.body)


@pytest.mark.parametrize("host", ["o1.ingest.sentry.io", "telemetry.example:8443", "127.0.0.1"])
def test_a_tunnel_takes_the_key_of_the_dsn_whatever_its_host(host: str) -> None:
    """The host says where a page is told to post, and the key whose data it is."""
    body = envelope(line("a"), dsn=f"https://tg_w_a@{host}/1")

    assert b"tg_w_a" == TunnelDialect().key_of_body(Asked("/v1/sentry-tunnel", b"", []), body)


@pytest.mark.parametrize(
    "first", [b"", b"no JSON", b"[]", b'{"dsn":7}', b'{"dsn":"https://[::1/1"}', b'{"dsn":"/1"}']
)
def test_a_tunnel_refuses_what_names_no_key(first: bytes) -> None:
    """With 400 or 401, never with an error of its own."""
    with pytest.raises(Problem) as raised:
        TunnelDialect().key_of_body(Asked("/v1/sentry-tunnel", b"", []), first)

    assert raised.value.status in {400, 401}


def test_an_envelope_of_another_project_is_refused_by_name() -> None:
    """Its DSN holds another key than the request."""
    body = envelope(line("a"), dsn="https://tg_w_other@h/1")

    with pytest.raises(Rejected, match="two_keys"):
        decoded(body, b"sentry_key=tg_w_a")


def test_an_answer_has_the_id_of_the_event_and_what_was_refused() -> None:
    """What is not kept needs no word."""
    request = Request(envelope(line("a"), event_id=ID), [], b"", 7, NOW)
    refused = [Rejection(0, "not_kept", "type"), Rejection(1, "wrong_length", "length")]

    nothing = SentryDialect().taken(Request(b"{}", [], b"", 7, NOW), IntakeResult(Outcome.ACCEPTED, 0, []))
    something = SentryDialect().taken(request, IntakeResult(Outcome.ACCEPTED, 1, refused))

    assert (200, {}) == (nothing.status, json.loads(nothing.body))
    shown = {"id": ID, "rejected": [{"index": 1, "code": "wrong_length", "message": "length"}]}
    assert (200, shown) == (something.status, json.loads(something.body))


def test_a_limit_says_for_how_long_in_the_words_of_sentry() -> None:
    """Without categories: all of them wait."""
    answer = SentryDialect().refused(Asked(PATH, b"", []), Problem(429, "rate_limited", "too much", 7))

    headers = dict(answer.headers)
    assert (429, b"7", b"7::organization:rate_limited") == (
        answer.status, headers[b"retry-after"], headers[b"x-sentry-rate-limits"],
    )  # fmt: skip


def test_brotli_is_undone_within_a_limit() -> None:
    """sentry-sdk sends it where a library for it is installed; one byte more is refused, and so is what is none."""
    body = bytes(cramjam.brotli.compress(b"a" * 10))

    assert b"a" * 10 == brotli(body, 10)
    for other, limit in ((body, 9), (b"{}", 10), (body[:-1], 10)):
        with pytest.raises(Problem) as raised:
            brotli(other, limit)
        assert raised.value.status in {400, 413}


def test_too_many_items_are_refused_as_a_whole() -> None:
    """Whatever they are."""
    with pytest.raises(Rejected, match="at most 100"):
        decoded(envelope(*[item({}, "other")] * 101))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b'{"body":"x","attributes":{"n":{"value":1e999}}}', id="a number without end"),
        pytest.param(b'{"body":"\xff"}', id="no UTF-8"),
        pytest.param(b'{"timestamp":NaN}', id="NaN"),
        pytest.param(b"5", id="no object"),
    ],
)
def test_a_record_that_cannot_be_read_harms_no_other_of_its_list(broken: bytes) -> None:
    """It is refused under its own number."""
    good = packed({"timestamp": TS, "level": "info", "body": "good"})
    payload = b'{"items":[%b,%b,%b]}' % (good, broken, good)

    columns = decoded(envelope(item(payload, length=len(payload))))

    assert columns.events is not None
    assert ([0, 2], [(1, "invalid_item")]) == (
        list(columns.events.index or ()),
        [(each.index, each.code) for each in columns.refused],
    )


def test_what_stands_beside_a_list_and_cannot_be_read_refuses_each_record_by_itself() -> None:
    """A time that is none is no time, and other members do not matter."""
    report = b'{"timestamp":%b,"x":NaN,"discarded_events":[{"quantity":1},{"quantity":2}]}'

    refused = decoded(envelope(item(report % b"1e999", "client_report")))
    taken = decoded(envelope(item(report % b"%f" % TS, "client_report")))

    assert [(0, "invalid_ts"), (1, "invalid_ts")] == [(each.index, each.code) for each in refused.refused]
    assert taken.points is not None
    assert [1.0, 2.0] == taken.points.value.tolist()
