"""The breaker just below, at and above its limits, by producer, and that a restart changes nothing."""

import random

import pytest

from shared.stream.containment.breaker import MAX_BAD, MAX_EARLY, WINDOW, BadMessage, Breaker


def fed(breaker: Breaker, said: str, first: int = 0) -> str:
    """What became of messages, one a letter: a producer, its bad messages in capitals; `*` is bad and says no producer.

    A stopped producer's message comes out as `!`, any other as it went in.
    """
    became = ""
    for offset, letter in enumerate(said, first):
        if breaker.trip:
            break
        producer = "" if letter == "*" else letter.lower()
        if breaker.suspicious and breaker.refusal(producer, offset):
            breaker.bad(offset, producer, own=False)
            became += "!"
        elif letter == "*" or letter.isupper():
            breaker.bad(offset, producer)
            became += letter
        else:
            breaker.good(offset)
            became += letter
    return became


def spread(bad: int, messages: int) -> str:
    """So many bad ones of producer a, every third, then good ones of b."""
    return ("Abb" * bad).ljust(messages, "b")[:messages]


@pytest.mark.parametrize(("bad", "stopped"), [(MAX_BAD - 1, False), (MAX_BAD, False), (MAX_BAD + 1, True)])
def test_a_producer_with_more_than_one_in_a_hundred_is_stopped(bad: int, *, stopped: bool) -> None:
    """Of the last thousand messages of the partition: exactly 1 % is let pass."""
    breaker = Breaker(0)
    fed(breaker, spread(bad, WINDOW))

    assert stopped == bool(breaker.refusal("a", WINDOW))
    assert breaker.refusal("b", WINDOW) is None


def test_a_bad_producer_stops_no_other() -> None:
    """However many bad messages it sends, each good one of the others is folded, and the partition goes on."""
    breaker = Breaker(0)
    said = "AAAAAAAAAb" * 500
    became = fed(breaker, said)

    assert (500, len(said), None) == (became.count("b"), len(became), breaker.trip)
    assert became.count("A") < 200


@pytest.mark.parametrize(
    ("bad", "stopped"), [(1, False), (MAX_BAD + 1, False), (MAX_EARLY - 1, False), (MAX_EARLY, True)]
)
def test_before_the_first_thousand_a_hundred_stop_a_producer(bad: int, *, stopped: bool) -> None:
    """One bad message among the first ten is 10 %, and no reason to stop."""
    breaker = Breaker(0)
    fed(breaker, "Ab" * bad)

    assert stopped == bool(breaker.refusal("a", 2 * bad))


def test_a_mended_producer_goes_on_by_itself_when_its_bad_messages_are_a_thousand_back() -> None:
    """What was refused only because it was stopped does not keep it stopped."""
    breaker = Breaker(0)
    fed(breaker, spread(MAX_BAD + 1, WINDOW))
    became = fed(breaker, "a" * (2 * WINDOW), WINDOW)

    assert became.startswith("!")
    assert became.endswith("a" * WINDOW)


def test_what_says_no_producer_is_never_stopped() -> None:
    """It may be anybody's: the good among them are folded."""
    breaker = Breaker(0)
    fed(breaker, "***b" * 400)

    assert breaker.refusal("", 1_600) is None
    assert not breaker.suspicious


@pytest.mark.parametrize("said", ["A", "*", "ABC"], ids=["one producer", "unknown", "several"])
def test_a_thousand_messages_without_a_good_one_stop_the_partition(said: str) -> None:
    """Nobody's good messages wait then; what follows waits in the log."""
    breaker = Breaker(0)
    fed(breaker, said * WINDOW)

    assert breaker.trip is not None
    assert (WINDOW, "all of the last 1,000 messages were bad") == breaker.trip[:2]
    one_good = Breaker(0)
    fed(one_good, "*" * (WINDOW - 1) + "b" + "*" * (WINDOW - 1))
    assert one_good.trip is None


def test_what_an_operator_resumed_from_counts_for_nothing() -> None:
    """Below the offset given; from there on all is counted anew."""
    bad = [BadMessage(offset, "a") for offset in range(500)]

    assert Breaker(500, since=500, bad=bad).refusal("a", 500) is None
    assert Breaker(500, since=400, bad=bad).refusal("a", 500) is not None


@pytest.mark.parametrize("seed", range(20))
def test_a_restart_anywhere_changes_nothing(seed: int) -> None:
    """The place in the log and the dead letters before it are all there is to know."""
    chance = random.Random(seed)
    rates = {producer: chance.choice((0.0, 0.005, 0.02, 0.5, 0.97)) for producer in "abc"}
    said = "".join(
        producer.upper() if chance.random() < rates[producer] else producer
        for producer in chance.choices("abc", k=4 * WINDOW)
    )
    whole = Breaker(0)
    expected = fed(whole, said)
    restarted, became = Breaker(0), ""
    while len(became) < len(said) and not restarted.trip:
        at = len(became)
        bad = [
            BadMessage(offset, said[offset].lower(), became[offset] != "!")
            for offset in range(max(0, at - WINDOW), at)
            if became[offset] in "!ABC"
        ]
        restarted = Breaker(at, bad=bad)
        became += fed(restarted, said[at : at + chance.randrange(1, 300)], at)

    assert (expected, whole.trip) == (became, restarted.trip)
