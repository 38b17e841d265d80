"""Entries of the ledger: how they are counted, and what a dead letter makes of them."""

from shared.ledger.entries import Entry, Ledger, Line, dead_lettered, minute_of, unsettled

NOW = 1_760_000_000_000
LINES = [Line(1, "received", 5), Line(1, "rejected:ts_too_old", 2), Line(9, "derived", 3)]


def test_a_dead_letter_settles_what_has_no_outcome() -> None:
    """Refusals have theirs already."""
    found = dead_lettered(LINES, "bad_batch")

    assert {1: 3, 9: 3} == unsettled(LINES)
    assert {} == unsettled(found)
    assert [Line(1, "dead_lettered:bad_batch", 3), Line(9, "dead_lettered:bad_batch", 3)] == found[3:]


def test_counts_are_handed_over_once() -> None:
    """Of equal minute, tenant and outcome they are added."""
    ledger = Ledger()
    ledger.add(minute_of(NOW), LINES)
    ledger.add(minute_of(NOW + 1), LINES[:1])

    counts = ledger.take()

    assert 10 == counts[Entry(NOW - NOW % 60_000, 1, "received")]
    assert 3 == len(counts)
    assert {} == ledger.take()
