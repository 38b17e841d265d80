"""The watchdog: what it ends, and what it forgives."""

from shared.stream.runtimes.watchdog import STALL_S, Watchdog


def watched(symptom: str | None, limit_s: float) -> tuple[Watchdog, list[str]]:
    """A watchdog with one symptom, and the reasons for which it would end the process."""
    ends: list[str] = []
    return Watchdog({lambda: symptom: limit_s}, ends.append), ends


def test_loop_that_stands_still_ends_the_process() -> None:
    """Without a beat for longer than the limit, the process ends."""
    watchdog, ends = watched(None, 0)
    watchdog.check(watchdog.beat_s + STALL_S + 0.1, 1.0)

    assert ["the event loop has stood still for 10 s"] == ends


def test_own_freeze_is_forgiven() -> None:
    """A look that comes much too late means that the whole process stood still, not its loop."""
    watchdog, ends = watched("stuck", 5.0)
    now_s = watchdog.beat_s
    watchdog.check(now_s + 1, 1.0)
    watchdog.check(now_s + 61, 60.0)
    watchdog.check(now_s + 62, 1.0)

    assert [] == ends


def test_lasting_symptom_ends_the_process() -> None:
    """A symptom is borne for its limit, and then it ends the process under its own name."""
    watchdog, ends = watched("stuck", 2.0)
    for second in range(1, 4):
        watchdog.check(watchdog.beat_s + second, 1.0)

    assert ["stuck"] == ends


def test_another_fault_begins_anew() -> None:
    """Each of two is borne for its own time."""
    words = iter(["first", "first", "second", "second", "second"])
    ends: list[str] = []
    watchdog = Watchdog({lambda: next(words): 2.0}, ends.append)
    for second in range(1, 6):
        watchdog.check(watchdog.beat_s + second, 1.0)

    assert ["second"] == ends
