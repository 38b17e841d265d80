"""Events of many requests become one message for each partition."""

import msgspec

from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.message_split import MAX_BYTES
from shared.ledger.entries import Line, unsettled
from shared.wire import events
from shared.wire.events import MAX_EVENTS, Event, partition_of
from shared.wire.ledger_entries import read

NOW = 1_790_000_000_000


def event(number: int, session: str | None = None, body: bytes = b"{}") -> Event:
    """An event that bears its number as its id."""
    return Event(7, str(number), "click", NOW, session_id=session, properties=msgspec.Raw(body))


def request(sent: list[Event], refused: dict[str, int] | None = None) -> EventIntakeBatch:
    """A request of tenant 7."""
    return EventIntakeBatch(sent, NOW, Admitted(7, len(sent), refused or {}))


def events_of(messages: list[tuple[int, bytes]]) -> list[tuple[int, Event]]:
    """Every event with the partition it went to."""
    return [(partition, each) for partition, value in messages for each in events.decode(value, NOW).events]


def test_requests_share_messages_and_keep_their_order() -> None:
    """One message a partition, each event with its owner, events of a session in the order they came."""
    sent = [event(number, f"s{number % 10}") for number in range(100)]
    batches = [request(sent[at : at + 10]) for at in range(0, 100, 10)]

    messages, ticks = EventBatches(4).messages(batches, 0.0, NOW)

    found = events_of(messages)
    assert (0, len(messages)) == (ticks, len({partition for partition, _ in messages}))
    assert all(partition == partition_of(each, 4) for partition, each in found)
    for session in {each.session_id for each in sent}:
        theirs = [int(each.event_id) for _, each in found if each.session_id == session]
        assert theirs == sorted(theirs)
    assert sorted(int(each.event_id) for _, each in found) == list(range(100))


def test_a_flush_without_events_has_no_messages() -> None:
    """A quiet topic of events stays quiet."""
    assert ([], 0) == EventBatches(4).messages([], 0.0, NOW)


def test_messages_are_bounded_in_bytes_and_in_events() -> None:
    """As many messages as it takes, in order, each of which a reader takes."""
    large = [event(number, "s", b'{"a":"%b"}' % (b"x" * 30_000)) for number in range(100)]
    many = [event(number, "s") for number in range(100, MAX_EVENTS + 200)]

    messages, _ = EventBatches(4).messages([request(large), request(many)], 0.0, NOW)

    assert all(len(value) <= MAX_BYTES for _, value in messages)
    assert [each.event_id for each in (*large, *many)] == [each.event_id for _, each in events_of(messages)]


def test_each_message_says_whose_events_it_bears_and_refusals_have_one_of_their_own() -> None:
    """The lines add up to what was let in and refused; each message is as open as its events are many."""
    sent = [event(number, f"s{number % 10}") for number in range(50)]

    messages, empty = EventBatches(4).messages([request(sent, {"ts_too_old": 2}), request([])], 0.0, NOW)

    batches = [events.decode(value, NOW) for _, value in messages]
    entries_of = [read(batch.entries) or [] for batch in batches]
    assert 1 == empty
    assert [len(batch.events) for batch in batches] == [
        sum(unsettled(entries).values()) for entries in entries_of
    ]
    assert [Line(7, "received", 2), Line(7, "rejected:ts_too_old", 2)] == entries_of[-1]
