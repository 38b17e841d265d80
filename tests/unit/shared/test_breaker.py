"""The breaker just below, at and above its limits, and that a restart changes nothing."""

import random

import pytest

from shared.stream.breaker import MAX_BAD, MAX_ROW, WINDOW, Breaker, BreakerTrip


def fed(breaker: Breaker, said: str, first: int = 0) -> Breaker:
    """What became of messages, one a letter (x: bad), until it trips."""
    for offset, letter in enumerate(said, first):
        if breaker.trip:
            break
        (breaker.bad if letter == "x" else breaker.good)(offset)
    return breaker


def spread(bad: int, messages: int) -> str:
    """So many bad ones, every third, then good ones."""
    return ("x.." * bad).ljust(messages, ".")[:messages]


@pytest.mark.parametrize("bad", [0, 1, MAX_BAD, 300])
def test_less_than_a_thousand_messages_say_nothing_about_a_share(bad: int) -> None:
    """One bad message among the first ten is 10 %, and no reason to stop."""
    assert fed(Breaker(0), spread(bad, WINDOW - 1)).trip is None


@pytest.mark.parametrize(
    ("bad", "trip"),
    [
        (MAX_BAD - 1, None),
        (MAX_BAD, None),
        (MAX_BAD + 1, BreakerTrip(WINDOW, "11 of the last 1,000 messages were bad")),
    ],
)
def test_more_than_one_in_a_hundred_trips(bad: int, trip: BreakerTrip | None) -> None:
    """Of a full window: exactly 1 % is let pass."""
    assert trip == fed(Breaker(0), spread(bad, WINDOW)).trip


def test_what_lies_before_the_window_is_forgotten() -> None:
    """Ten bad ones, and an eleventh when the first is 1,000 messages back."""
    ten = "x" * MAX_BAD
    assert fed(Breaker(0), ten.ljust(WINDOW, ".") + "x").trip is None
    assert fed(Breaker(0), ten.ljust(WINDOW - 1, ".") + "x").trip is not None


@pytest.mark.parametrize(
    ("said", "at"),
    [
        pytest.param("x" * (MAX_ROW - 1), None, id="99"),
        pytest.param("x" * MAX_ROW, MAX_ROW, id="100"),
        pytest.param("x" * (MAX_ROW + 1), MAX_ROW, id="101: the last one is not taken"),
        pytest.param("x" * (MAX_ROW - 1) + "." + "x" * (MAX_ROW - 1), None, id="99, a good one, 99"),
        pytest.param("." + "x" * MAX_ROW, MAX_ROW + 1, id="a good one, 100"),
    ],
)
def test_a_hundred_in_a_row_trip_at_once(said: str, at: int | None) -> None:
    """However few there were before."""
    trip = fed(Breaker(0), said).trip
    assert at == (trip and trip.offset)


def test_what_an_operator_lets_through_counts_for_nothing() -> None:
    """Below the offset given; from there on all is counted anew."""
    through = fed(Breaker(0, since=500), "x" * 500)
    assert through.trip is None
    assert fed(through, "x" * MAX_ROW, 500).trip == BreakerTrip(600, "100 bad messages in a row")
    assert fed(Breaker(1_000, since=1_000, bad=range(900, 1_000)), spread(99, WINDOW - 1), 1_000).trip is None


@pytest.mark.parametrize("seed", range(20))
def test_a_restart_anywhere_changes_nothing(seed: int) -> None:
    """The place in the log and the bad offsets before it are all there is to know."""
    chance = random.Random(seed)
    rate = chance.choice((0.002, 0.009, 0.012, 0.5, 0.97))
    said = "".join("x" if chance.random() < rate else "." for _ in range(3 * WINDOW))
    restarted = Breaker(0)
    for offset, letter in enumerate(said):
        fed(restarted, letter, offset)
        if restarted.trip or chance.random() < 0.05:
            bad = [one for one in range(offset + 1) if said[one] == "x"]
            restarted = Breaker(offset + 1, bad=bad)
        if restarted.trip:
            break

    assert restarted.trip == fed(Breaker(0), said).trip
