"""Ledger entries that travel with messages, and what dead letters make of them."""

import msgspec
import pytest

from shared.errors import Rejected
from shared.ledger.entries import LOST, NOBODY, Entry, Line, coded, minute_of, unsettled
from shared.model.series import Series
from shared.stream.dead_letters import dead_lettered_in
from shared.stream.processor import Checkpoint, Cut, DeadLetter, Key
from shared.wire import envelope, events
from shared.wire.ledger_entries import MAX_COUNT, read, salvaged
from shared.wire.series import pack, tenant_of

NOW = 1_760_000_000_000
LINES = [Line(1, "received", 5), Line(1, "rejected:ts_too_old", 2), Line(9, "derived", 3)]


def test_a_tally_travels_with_points_and_with_events() -> None:
    """As it was; a message of an older version has none, and an empty one is not none."""
    tick = envelope.decode(envelope.tick("g", 1, NOW, LINES), NOW)
    batch = events.decode(events.encode(events.EventBatch(NOW, [], list(LINES))), NOW)

    assert LINES == tick.entries == read(batch.entries)
    assert envelope.decode(envelope.tick("g", 1, NOW), NOW).entries is None
    assert [] == envelope.decode(envelope.tick("g", 1, NOW, []), NOW).entries
    assert b"tally" not in events.encode(events.EventBatch(NOW, []))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param((-1, "received", 1), id="tenant"),
        pytest.param((1 << 63, "received", 1), id="large tenant"),
        pytest.param((1, "re ceived", 1), id="word"),
        pytest.param((1, "rejected:a\0", 1), id="text that no table holds"),
        pytest.param((1, "received", MAX_COUNT + 1), id="count"),
        pytest.param((1, "received"), id="short"),
    ],
)
def test_what_could_not_be_stored_is_refused(line: tuple[object, ...]) -> None:
    """By both readers, and nothing is salvaged of it."""
    packed = msgspec.msgpack.encode(
        {"v": 2, "producer": "g", "seq": 1, "received_at_ms": NOW, "tally": [line]}
    )
    text = msgspec.json.encode({"v": 1, "received_at_ms": NOW, "events": [], "tally": [line]})

    for decode, value in ((envelope.decode, packed), (events.decode, text)):
        with pytest.raises(Rejected):
            decode(value, NOW)
        assert [] == salvaged(value)


def test_the_tally_of_a_message_that_is_refused_is_salvaged() -> None:
    """Of either format; bytes without one have none."""
    points = envelope.tick("g", 1, 0, LINES)
    text = events.encode(events.EventBatch(NOW, [], list(LINES)))

    assert LINES == salvaged(points) == salvaged(text)
    assert [[]] * 4 == [salvaged(value) for value in (None, b"", b"\xc1", b"{" * 100_000)]


def test_dead_letters_of_a_cut_close_the_minute_of_their_append() -> None:
    """Their own clock may be what is wrong; what is no record says nothing."""
    dead = [
        DeadLetter(7, "bad_clock", "", envelope.tick("g", 1, 0, LINES), NOW),
        DeadLetter(8, "empty", "", None, NOW),
        DeadLetter(9, "retention_gap", "", None, NOW, 5),
    ]
    minute_ms = minute_of(NOW)

    counts = dead_lettered_in(Cut(Key("t", 0), 1, 7, 14, Checkpoint(None, None, b"", None), dead))

    assert {minute_ms} == {entry.minute_ms for entry in counts}
    assert 5 == counts.pop(Entry(minute_ms, NOBODY, LOST))
    assert {} == unsettled(Line(entry.tenant_id, entry.outcome, n) for entry, n in counts.items())
    assert 3 == counts[Entry(minute_ms, 9, coded("dead_lettered", "bad_clock"))]


@pytest.mark.parametrize(
    "tenant_id", [0, 1, 127, 128, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1]
)
def test_the_tenant_is_read_from_the_bytes_of_a_series(tenant_id: int) -> None:
    """At every width that a number may have."""
    assert tenant_id == tenant_of(pack(Series(tenant_id, "m", "gauge", "", (("a", "b"),))))
