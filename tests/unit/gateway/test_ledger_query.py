"""What may be asked of the ledger: whole minutes of at most a day, of points or of events."""

import pytest

from services.gateway.query.resources.ledger.ledger_query import MAX_RANGE_MS, Minutes, minutes_of, signal_of
from shared.errors import Rejected


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "minutes"),
    [
        pytest.param(60_000, 120_000, Minutes(60_000, 120_000), id="a whole minute"),
        pytest.param(60_001, 60_002, Minutes(60_000, 120_000), id="within a minute"),
        pytest.param(119_999, 120_001, Minutes(60_000, 180_000), id="across the end of one"),
        pytest.param(0, MAX_RANGE_MS, Minutes(0, MAX_RANGE_MS), id="the longest range"),
    ],
)
def test_a_range_is_widened_to_whole_minutes(from_ms: int, to_ms: int, minutes: Minutes) -> None:
    """Every minute that the range touches, and no other."""
    assert minutes == minutes_of(from_ms, to_ms)


@pytest.mark.parametrize(
    ("from_ms", "to_ms"),
    [
        pytest.param(60_000, 60_000, id="empty"),
        pytest.param(60_001, 60_000, id="backwards"),
        pytest.param(0, MAX_RANGE_MS + 1, id="longer than a day"),
    ],
)
def test_what_is_no_range_is_refused(from_ms: int, to_ms: int) -> None:
    """The code names the range."""
    with pytest.raises(Rejected) as refusal:
        minutes_of(from_ms, to_ms)

    assert "invalid_range" == refusal.value.code


def test_only_points_and_events_have_a_ledger() -> None:
    """Another word is refused by name."""
    with pytest.raises(Rejected) as refusal:
        signal_of("spans")

    assert ("invalid_signal", "points", "events") == (
        refusal.value.code,
        signal_of("points"),
        signal_of("events"),
    )
