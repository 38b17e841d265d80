"""Bodies of events: what is odd in one is no matter of the others."""

import json
from typing import Any

import pytest

from services.gateway.intake.columns.admit_events import AdmittedEvents
from shared.errors import Rejected
from tests.support.decoding import native_events

NOW = 1_790_000_000_000
FUNNEL = {"funnel": "effect_creation"}


def decoded(*events: Any, limit: int = 10) -> AdmittedEvents:
    """What comes of these events."""
    return native_events(limit).decode(json.dumps({"events": events}).encode(), 7, NOW)


def plain(**fields: Any) -> dict[str, Any]:
    """An event with nothing odd."""
    return {"event_id": "e", "type": "click", "ts": NOW, **fields}


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"ts": None}, id="no time"),
        pytest.param({"ts": "2026-09-21T14:13:20.000Z"}, id="time as text"),
        pytest.param({"name": "a\u00a0b\ue000"}, id="letters that do not print"),
        pytest.param({"properties": {"a": {"b": [1, {}]}}}, id="nested"),
        pytest.param({"properties": {"a": "{[\\u0000"}}, id="what looks nested and forbidden"),
        pytest.param(
            {"type": "funnel_step", "name": "Image Upload", "session_id": "s", "properties": FUNNEL},
            id="step",
        ),
        pytest.param({"more": 1}, id="a field that is not ours"),
        pytest.param({"name": None, "properties": None, "user_id": None}, id="null for what is absent"),
        pytest.param({"user_id": 42, "session_id": 7}, id="ids that are numbers"),
        pytest.param({"ts": NOW + 0.5}, id="a time with a fraction"),
    ],
)
def test_an_odd_event_is_taken_beside_plain_and_bad_ones(odd: dict[str, Any]) -> None:
    """In one go, by itself or one by one: the same event comes out."""
    alone = decoded(plain(**odd))
    between = decoded(plain(event_id="a"), plain(**odd), plain(event_id="z"))
    beside = decoded({"type": 5}, plain(**odd))

    (event,) = alone.events
    assert (7, NOW, []) == (event.tenant_id, event.ts_ms, alone.rejected)
    assert (event, 3) == (between.events[1], len(between.events))
    assert ([event], [0]) == (beside.events, [each.index for each in beside.rejected])


@pytest.mark.parametrize(
    ("said", "text"),
    [
        pytest.param(rb"cut\ud83d", "cut\ufffd", id="first half"),
        pytest.param(rb"\uDE00cut", "\ufffdcut", id="second half"),
        pytest.param(rb"\ud83d\ud83d\ude00", "\ufffd😀", id="half before a pair"),
        pytest.param(rb"\ud83d\ude00\ude00", "😀\ufffd", id="half behind a pair"),
        pytest.param(rb"\\ud83d\ude00", "\\ud83d\ufffd", id="a backslash and letters, then a half"),
    ],
)
def test_a_text_that_was_cut_in_a_character_is_mended(said: bytes, text: str) -> None:
    """Browsers send halves of emoji; the rest of the text, and the rest of the request, are worth keeping."""
    body = b'{"events":[{"event_id":"a","type":"b","name":"%b","properties":{"n":"%b"}}]}' % (said, said)

    (event,) = native_events(1).decode(body, 7, NOW).events

    assert (text, {"n": text}) == (event.name, json.loads(bytes(event.properties)))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param(b'{"event_id":"\xff","type":"b"}', "invalid_event", id="no UTF-8 in a text"),
        pytest.param(b'{"event_id":"a","type":"b","properties":{"n":"\xff"}}', "invalid_properties", id="nor below"),
        pytest.param(
            b'{"event_id":"a","type":"b","properties":{"n":1e999}}', "invalid_properties", id="a number without end"
        ),
        pytest.param(b'{"event_id":"a","type":"b","properties":{"n":NaN}}', "invalid_properties", id="no number"),
        pytest.param(b'{"event_id":"a","type":"b","ts":1e300}', "ts_in_future", id="a time beyond 64 bits"),
        pytest.param(
            b'{"event_id":"a","type":"b","properties":%b}' % (b"[" * 900 + b"]" * 900), "invalid_properties", id="deep"
        ),
        pytest.param(b'{"event_id":"a","type":"b\\u202e"}', "invalid_type", id="a type that turns text around"),
        pytest.param(b'{"event_id":"a\\u200b\\u0085","type":"b"}', "invalid_event_id", id="control among others"),
        pytest.param(b'{"event_id":"a\x7f","type":"b"}', "invalid_event_id", id="the control character JSON allows"),
        pytest.param(b"[]", "invalid_event", id="a list"),
        pytest.param(b"null", "invalid_event", id="null"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_itself(bad: bytes, code: str) -> None:
    """Its neighbours are taken."""
    good = b'{"event_id":"g","type":"b"}'

    found = native_events(3).decode(b'{"events":[%b,%b,%b]}' % (good, bad, good), 7, NOW)

    assert (2, [(1, code)]) == (len(found.events), [(each.index, each.code) for each in found.rejected])


@pytest.mark.parametrize("event", [plain(), {"type": 5}, 5], ids=["good", "bad", "no event"])
def test_too_many_are_refused_as_a_whole(event: Any) -> None:
    """Whatever they are, so that no answer is longer than its question."""
    with pytest.raises(Rejected, match="at most 10"):
        decoded(*[event] * 11)
