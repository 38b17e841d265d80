"""How far a session came in a funnel, from the steps it sent and their event times (milliseconds UTC).

Step 0 is reached at its earliest occurrence. Step k + 1 is reached at its earliest occurrence at or after the time at
which step k was reached.

Invariant: progress is a function of the set of occurrences, so order of arrival, repeats and batches do not matter.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_OCCURRENCES = 256
"""Occurrences kept of one session in one funnel: the earliest. A session that sends more stands still at the last kept
one, and what it sends later changes nothing."""


class Occurrence(NamedTuple):
    """A step that was sent; ordered by time, at equal times by step."""

    ts_ms: int
    step: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What a session has done in a funnel."""

    first_ms: int
    """Time of its earliest step, whichever step that is."""
    reached_ms: tuple[int, ...]
    """When it reached each step, for the steps that it reached."""
    out_of_order: int
    """Occurrences earlier than the time at which the step before theirs was reached."""

    @property
    def entered_ms(self) -> int | None:
        """When it took the first step; None if it did not."""
        return self.reached_ms[0] if self.reached_ms else None


def kept(occurrences: Iterable[Occurrence]) -> list[Occurrence]:
    """The earliest `MAX_OCCURRENCES` distinct ones, in order; the result does not depend on how they are batched."""
    return sorted(set(occurrences))[:MAX_OCCURRENCES]


def progress(occurrences: Iterable[Occurrence]) -> Progress:
    """How far the session came; there must be an occurrence."""
    sent = kept(occurrences)
    reached = _reached(sent)
    early = sum(step > 0 and not (step <= len(reached) and reached[step - 1] <= ts) for ts, step in sent)
    return Progress(sent[0].ts_ms, reached, early)


def _reached(sent: Iterable[Occurrence]) -> tuple[int, ...]:
    times: dict[int, list[int]] = {}
    for ts_ms, step in sent:
        times.setdefault(step, []).append(ts_ms)
    reached: list[int] = []
    while candidates := times.get(len(reached)):
        at = bisect_left(candidates, reached[-1]) if reached else 0
        if at == len(candidates):
            break
        reached.append(candidates[at])
    return tuple(reached)
