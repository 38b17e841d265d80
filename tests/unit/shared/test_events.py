"""The batch of events on the wire: what it keeps, and what it refuses by name."""

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Rejected
from shared.ledger.entries import Line
from shared.model.event import MAX_DEPTH, MAX_ID, MAX_NAME, MAX_PROPERTIES_BYTES, MAX_TYPE
from shared.model.funnel import EFFECT_CREATION, funnel_of
from shared.model.window import MAX_EVENT_AGE_MS, MAX_LEAD_MS
from shared.wire import events
from shared.wire.events import Event, partition_of

NOW = 1_760_000_000_000
SOUND: dict[str, Any] = {"tenant_id": 1, "event_id": "e", "type": "click", "ts_ms": NOW}
STEP: dict[str, Any] = {
    **SOUND, "type": "funnel_step", "name": "Image Upload", "session_id": "s",
    "properties": {"funnel": "effect_creation"},
}  # fmt: skip


def batch(*raw: object, **other: object) -> bytes:
    """A batch of these events as JSON text."""
    return json.dumps({"v": 1, "received_at_ms": NOW, "events": list(raw)} | other).encode()


def with_body(body: bytes) -> bytes:
    """A batch of one event whose properties are these bytes."""
    return batch({**SOUND, "properties": "BODY"}).replace(b'"BODY"', body)


def nested(levels: int) -> bytes:
    """A body of so many levels, itself included."""
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_decode_after_encode_is_the_identity() -> None:
    """Every field comes back, and what may be left out is left out."""
    body = msgspec.Raw(b'{"a":[1,2.5,null,"\xc3\xa9"]}')
    sent = [Event(7, "a", "click", NOW - 1, "n", "s", "u", body), Event(0, "b", "view", NOW)]
    value = events.encode(events.EventBatch(NOW, sent))
    came = events.decode(value, NOW)

    assert (NOW, sent) == (came.received_at_ms, came.events)
    assert {"tenant_id", "event_id", "type", "ts_ms"} == set(orjson.loads(value)["events"][1])


@pytest.mark.parametrize(
    ("type_", "name", "written"),
    [
        pytest.param("a.b:c/d-e_1", "", ("a.b:c/d-e_1", ""), id="one that version 4 has"),
        pytest.param("Button Clicked", "", ("Button:Clicked", "Button Clicked"), id="a blank"),
        pytest.param("$pageview", "n", ("_pageview", "n"), id="a dollar first, with a name"),
        pytest.param("1st é", "", ("_st::", "1st é"), id="a digit first, and a letter beyond ASCII"),
        pytest.param("funnel step", "", ("funnel:step", "funnel step"), id="what might become one of ours"),
    ],
)
def test_a_type_that_version_4_lacks_is_written_as_one_it_has(
    type_: str, name: str, written: tuple[str, str]
) -> None:
    """A build of that version would make the message a dead letter; version 5 writes it as it is."""
    batch_ = events.EventBatch(NOW, [Event(7, "a", type_, NOW, name), Event(7, "b", "view", NOW)])

    (old, _), (new, _) = (events.decode(events.encode(batch_, version), NOW).events for version in (4, 5))

    assert (written, (type_, name)) == ((old.type, old.name), (new.type, new.name))


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({**SOUND, "event_id": "e" * MAX_ID}, id="longest id"),
        pytest.param({**SOUND, "event_id": "é" * MAX_ID}, id="longest id, in characters"),
        pytest.param({**SOUND, "name": "n" * MAX_NAME}, id="longest name"),
        pytest.param({**SOUND, "name": "Ω 'quoted' \\ \U0001f600"}, id="any other character"),
        pytest.param({**SOUND, "type": "T" * MAX_TYPE}, id="longest type"),
        pytest.param({**SOUND, "type": "\U0001f600" * MAX_TYPE}, id="longest type, in bytes"),
        pytest.param({**SOUND, "type": "1. Button 'Clicked' $"}, id="any other character in a type"),
        pytest.param({**SOUND, "ts_ms": NOW - MAX_EVENT_AGE_MS}, id="oldest"),
        pytest.param({**SOUND, "ts_ms": NOW + MAX_LEAD_MS}, id="furthest ahead"),
        pytest.param({**SOUND, "tenant_id": (1 << 63) - 1}, id="largest tenant"),
        pytest.param({**SOUND, "unheard_of": 1}, id="a field of a newer gateway"),
        pytest.param(STEP, id="a step, however its words are joined"),
        pytest.param(
            {**STEP, "name": "processing-start", "properties": {"funnel": "Effect Creation"}}, id="so too"
        ),
    ],
)
def test_what_is_sound_is_taken(event: dict[str, Any]) -> None:
    """Up to the limits."""
    assert 1 == len(events.decode(batch(event), NOW).events)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param({**SOUND, "event_id": ""}, "bad_events", id="empty id"),
        pytest.param({**SOUND, "event_id": "e" * 10_000}, "bad_events", id="id of 10 kB"),
        pytest.param({**SOUND, "event_id": "a\x00"}, "bad_events", id="id with U+0000"),
        pytest.param({**SOUND, "event_id": "a\n"}, "bad_events", id="id with a line's end"),
        pytest.param({**SOUND, "session_id": "\ud800"}, "bad_events", id="half a pair of surrogates"),
        pytest.param({**SOUND, "user_id": "\u202e"}, "bad_events", id="text that turns around"),
        pytest.param({**SOUND, "name": "n" * (MAX_NAME + 1)}, "bad_events", id="name too long"),
        pytest.param({**SOUND, "type": "t" * (MAX_TYPE + 1)}, "bad_events", id="type too long"),
        pytest.param({**SOUND, "type": "two\nlines"}, "bad_events", id="type with a line's end"),
        pytest.param({**SOUND, "ts_ms": 1e300}, "bad_events", id="time that is no integer"),
        pytest.param({**SOUND, "tenant_id": 1 << 63}, "bad_events", id="tenant too large"),
        pytest.param({**SOUND, "tenant_id": -1}, "bad_events", id="tenant below zero"),
        pytest.param({k: v for k, v in SOUND.items() if k != "type"}, "bad_events", id="no type"),
        pytest.param("event", "bad_events", id="not an object"),
        pytest.param({**STEP, "session_id": None}, "missing_session", id="step without a session"),
        pytest.param({**STEP, "properties": {}}, "unknown_funnel", id="step without a funnel"),
        pytest.param({**STEP, "properties": {"funnel": "other"}}, "unknown_funnel", id="unknown funnel"),
        pytest.param({**STEP, "properties": {"funnel": 1}}, "unknown_funnel", id="funnel that is no text"),
        pytest.param({**STEP, "name": "elsewhere"}, "unknown_step", id="unknown step"),
    ],
)
def test_what_is_not_is_refused(event: object, code: str) -> None:
    """With its code; its neighbours are taken, unless it is no event at all: gateways send none of these."""
    assert code == refusal(batch(SOUND, event), others=1)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({**SOUND, "tenant_id": 2, "type": "two\nlines"}, id="form"),
        pytest.param({**STEP, "tenant_id": 2, "session_id": None}, id="meaning"),
    ],
)
def test_a_bad_event_is_left_out_and_its_neighbours_are_taken(event: dict[str, Any]) -> None:
    """Those of another tenant above all; it is counted under its own."""
    came = events.decode(batch(SOUND, event, {**SOUND, "event_id": "f"}), NOW)

    assert ["e", "f"] == [each.event_id for each in came.events]
    assert [(2, 1)] == [(line.tenant_id, line.number) for line in came.refused]


def refusal(value: bytes, others: int = 0) -> str:
    """The code under which an event, or all of the batch, is refused; in the first case so many others are taken."""
    try:
        came = events.decode(value, NOW)
    except Rejected as refused:
        return refused.code
    assert ([SOUND["tenant_id"]], others) == ([line.tenant_id for line in came.refused], len(came.events))
    return came.refused[0].outcome.removeprefix("rejected:")


@pytest.mark.parametrize("received_at_ms", [0, NOW, NOW + 3_660_000])
@pytest.mark.parametrize(
    ("ts_ms", "code"),
    [
        (NOW + MAX_LEAD_MS + 1, "ts_in_future"),
        (10**30, "ts_in_future"),
        (NOW - MAX_EVENT_AGE_MS - 1, "ts_too_old"),
    ],
)
def test_an_event_too_far_from_the_append_time_is_left_out(
    received_at_ms: int, ts_ms: int, code: str
) -> None:
    """It is counted by tenant and code, and its neighbours are taken, whatever clock its gateway had."""
    far = {**SOUND, "tenant_id": 2, "event_id": "far", "ts_ms": ts_ms}
    value = batch(SOUND, far, {**far, "event_id": "farther"}, received_at_ms=received_at_ms)

    came = events.decode(value, NOW)

    assert ["e"] == [event.event_id for event in came.events]
    assert [Line(2, f"rejected:{code}", 2)] == came.refused


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        pytest.param(b"{}", {}, id="empty"),
        pytest.param(nested(MAX_DEPTH), None, id="deepest"),
        pytest.param(b'{"a":"' + b"x" * (MAX_PROPERTIES_BYTES - 8) + b'"}', None, id="largest"),
        pytest.param(b'{"a":"\\\\u0000"}', {"a": "\\u0000"}, id="six characters that look like U+0000"),
        pytest.param(b'{"a":18446744073709551615}', {"a": 18446744073709551615}, id="largest integer"),
        pytest.param(b'{"a":1e308,"b":1e-400}', {"a": 1e308, "b": 0.0}, id="extreme floats"),
        pytest.param(b'{"a":1,"a":2}', {"a": 2}, id="a name twice: the last"),
    ],
)
def test_bodies_that_are_kept(body: bytes, stored: object) -> None:
    """As JSON that a database reads alike."""
    kept = bytes(events.decode(with_body(body), NOW).events[0].properties)

    assert (orjson.loads(body) if stored is None else stored) == orjson.loads(kept)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":"' + b"x" * MAX_PROPERTIES_BYTES + b'"}', id="too large"),
        pytest.param(b'{"a":"' + b"x" * (1 << 20) + b'"}', id="1 MB"),
        pytest.param(nested(MAX_DEPTH + 1), id="too deep"),
        pytest.param(nested(100), id="100 levels"),
        pytest.param(nested(10_000), id="deeper than any parser goes"),
        pytest.param(b'{"a":"\\u0000"}', id="U+0000"),
        pytest.param(b'{"\\u0000":1}', id="U+0000 in a name"),
        pytest.param(b'{"a":"\\ud800"}', id="half a pair of surrogates"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":1e999}', id="1e999"),
        pytest.param(b'{"a":Infinity}', id="Infinity"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param(b"{", id="cut off"),
    ],
)
def test_bodies_that_cannot_be_stored(body: bytes) -> None:
    """They are refused, and no error of the database."""
    assert refusal(with_body(body)) in {"invalid_properties", "bad_events"}


@pytest.mark.parametrize(
    "number",
    [
        "36893488147419103233", "0.12345678901234567890123", "1.10", "-0", "1E+2", "9" * 300, "1e308", "5e-324",
        "0." + "1" * events.MAX_SCALE, "0e308", "1e-0000005",
    ],
)  # fmt: skip
def test_numbers_of_a_body_stay_as_they_came(number: str) -> None:
    """To the last digit, beyond what a float holds. Source: inngest#4058."""
    body = f'{{"n": {number} , "text": "3e1234 {"7" * 800}"}}'.encode()

    assert body == bytes(events.decode(with_body(body), NOW).events[0].properties)


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        ("0." + "1" * (events.MAX_SCALE + 1), b"0.1111111111111111"), ("1e-99999", b"0.0"), ("0e999999999999", b"0.0"),
        ("1" * 32_000 + "e-31999", b"1.1111111111111112"), ("1e-1101", b"0.0"),
    ],
)  # fmt: skip
def test_numbers_that_postgres_would_not_read_are_stored_as_floats(number: str, stored: bytes) -> None:
    """With thousands of decimal places, or an exponent that is out of its range: nobody measures such things."""
    kept = events.decode(with_body(b'{"n":' + number.encode() + b"}"), NOW).events[0]

    assert b'{"n":' + stored + b"}" == bytes(kept.properties)


def test_integers_beyond_the_range_of_floats_are_refused() -> None:
    """As all numbers are: 1e999 is one as well."""
    assert "invalid_properties" == refusal(with_body(b'{"a":' + b"9" * 400 + b"}"))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(None, "bad_events", id="no value"),
        pytest.param(b"", "bad_events", id="empty"),
        pytest.param(b"\xc1 foreign", "bad_events", id="foreign bytes"),
        pytest.param(b"[" * 100_000, "bad_events", id="nothing but depth"),
        pytest.param(b"[]", "bad_events", id="a list"),
        pytest.param(batch(events=None), "bad_events", id="no list of events"),
        pytest.param(batch(received_at_ms="noon"), "bad_events", id="receive time that is none"),
    ],
)
def test_foreign_records_are_refused(value: bytes | None, code: str) -> None:
    """Whatever is in the topic."""
    with pytest.raises(Rejected) as refused:
        events.decode(value, NOW)

    assert code == refused.value.code


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_no_record_harms_the_reader(value: bytes) -> None:
    """Any bytes are a batch or a refusal with a code."""
    for raw in (value, with_body(value)):
        try:
            events.decode(raw, NOW)
        except Rejected as refused:
            assert refused.code  # noqa: PT017 - both ends are fine


@given(st.integers(0, 1 << 40), st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9))
def test_a_session_has_one_partition(tenant_id: int, session: str, other: str) -> None:
    """Whatever its events are; without one it is the user's, then the event's own."""
    of_session = {
        partition_of(Event(tenant_id, one, "t", NOW, session_id=session, user_id=user), 12)
        for one in (session, other)
        for user in (None, other)
    }

    assert 1 == len(of_session)
    assert of_session == {partition_of(Event(tenant_id, "x", "t", NOW, user_id=session), 12)}
    assert of_session == {partition_of(Event(tenant_id, session, "t", NOW), 12)}


def test_steps_are_numbered_in_order() -> None:
    """The entry is step 0, and the words of a name may be joined in any way."""
    assert funnel_of("Effect-Creation") is EFFECT_CREATION
    assert list(range(9)) == [
        EFFECT_CREATION.step(name.replace("_", " ").title()) for name in EFFECT_CREATION.steps
    ]
