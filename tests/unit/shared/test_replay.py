"""What a dead letter looks like when it is published again."""

import msgspec
import numpy as np
import pytest

from shared.ledger.entries import Ledger, Line, dead_lettered
from shared.model.point import Points
from shared.wire import envelope, events
from shared.wire.dead_letter import DeadLetter
from shared.wire.ledger_entries import salvaged
from shared.wire.replay import replayed
from shared.wire.topics import EVENTS, METRICS, WINDOWS

NOW_MS = 1_700_000_000_000


def letter(topic: str = METRICS.name, offset: int = 7, code: str = "unsupported_version") -> DeadLetter:
    """A letter without its bytes."""
    return DeadLetter("test." + topic, 3, offset, code, "why", None)


def batch(**changed: object) -> bytes:
    """A message of two points that says it has one tenant's three, one of them refused; some fields are changed."""
    points = Points(np.zeros(2, np.uint16), np.full(2, NOW_MS), np.ones(2))
    entries = [Line(5, "received", 3), Line(5, "rejected:ts_too_old", 1)]
    packed = envelope.encode(envelope.PointBatch("gateway-1", 42, NOW_MS, [b"\x90"], points, [], entries))
    return msgspec.msgpack.encode(msgspec.msgpack.decode(packed) | changed)


def test_a_batch_of_points_keeps_all_but_its_address_and_tally() -> None:
    """Fields of a newer version too."""
    value = batch(v=9, novelty={"a": [1, 2.5]})

    before, after = map(msgspec.msgpack.decode, (value, replayed(letter(), value)))

    assert ("replay:gateway-1/42", 1) == (after["producer"], after["seq"])
    address = {"producer": None, "seq": None, "tally": None}
    assert before | address == after | address


def test_whatever_letter_a_message_is_in_its_address_is_one() -> None:
    """A producer that repeated itself has two letters of one message; a replay that failed has two as well."""
    first = replayed(letter(offset=7), batch())
    repeat = replayed(letter(offset=8), batch())
    again = replayed(letter(offset=900, code="bad_batch"), first)

    addresses = {envelope.decode(value, NOW_MS).producer for value in (first, repeat, again)}
    assert addresses == {"replay:gateway-1/42"}


def test_a_batch_without_an_address_is_named_by_its_origin() -> None:
    """Of what kind soever a newer version has."""
    value = msgspec.msgpack.encode({"v": 9, "producer": 1, "seq": "x"})

    after = msgspec.msgpack.decode(replayed(letter(), value))

    assert {"v": 9, "producer": "replay:test.telemetry.metrics.v1/3/7", "seq": 1} == after


@pytest.mark.parametrize("value", [b"", b"\xc1 nothing", b"{no json", b"\x93\x01\x02\x03", b"\x81\x01\x02"])
def test_what_cannot_be_read_goes_out_as_it_is(value: bytes) -> None:
    """It will be a dead letter again."""
    assert value == replayed(letter(), value)


def test_windows_go_out_as_they_are() -> None:
    """They have no address and no ledger entries; to read them twice does no harm."""
    value = msgspec.msgpack.encode({"v": 9, "partition": 3})

    assert value == replayed(letter(WINDOWS.name), value)


def test_events_keep_their_bodies_to_the_byte() -> None:
    """Only the ledger entries differ."""
    value = b'{"v":1,"received_at_ms":%d,"tally":[[5,"received",1]],"events":[ {"a":1e400} ]}' % NOW_MS

    after = replayed(letter(EVENTS.name, code="bad_events"), value)

    assert after.endswith(b'"events":[ {"a":1e400} ]}') or b'"events":[ {"a":1e400} ]' in after
    assert [Line(5, "dead_lettered:bad_events", -1)] == salvaged(after)


def test_events_can_be_read_after_a_replay() -> None:
    """By what reads them in the log."""
    value = events.encode(
        events.EventBatch(NOW_MS, [events.Event(5, "id", "click", NOW_MS)], [(5, "received", 1)])
    )

    after = events.decode(replayed(letter(EVENTS.name), value), NOW_MS)

    assert ["id"] == [event.event_id for event in after.events]


def test_the_ledger_closes_after_a_letter_a_failed_replay_and_a_replay_that_counts() -> None:
    """Nothing is received twice, and what has counted is dead no longer."""
    ledger, value = Ledger(), batch(v=9)
    ledger.add(0, dead_lettered(salvaged(value), "unsupported_version"))
    failed = replayed(letter(), value)
    ledger.add(0, dead_lettered(salvaged(failed), "bad_clock"))
    counts = replayed(letter(offset=80, code="bad_clock"), failed)
    ledger.add(0, [*salvaged(counts), Line(5, "counted", 2)])

    found = {entry.outcome: number for entry, number in ledger.take().items() if number}
    assert {"received": 3, "rejected:ts_too_old": 1, "counted": 2} == found
