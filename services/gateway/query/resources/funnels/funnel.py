"""How far sessions come in a funnel: the report of each step, made from counts of the table.

Times are milliseconds UTC, rates 0 to 1. A rate of nothing is None. Every session that entered is counted either as
completed or in exactly one drop-off.
"""

from dataclasses import dataclass

from shared.model.funnel import Funnel


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tables know of the sessions that entered a funnel in a range."""

    sessions: tuple[int, ...]
    """Sessions that reached each step, the entry first."""
    median_ms: tuple[float | None, ...]
    """Median time from the step before; None where nobody came."""
    out_of_order: int
    """Steps sent before those that lead to them, by sessions first seen in the range."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a report."""

    step: int
    """Its number; the entry is 0."""
    name: str
    """Its name."""
    sessions: int
    """Sessions that reached it in order."""
    rate: float | None
    """Their share of the entries."""
    drop_off: int
    """Sessions that reached the step before but not this one."""
    drop_off_rate: float | None
    """Their share of the step before; None for the entry, which has none."""
    median_ms: float | None
    """Median time from the step before."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the sessions that entered a funnel in a range."""

    entries: int
    """Sessions that took the first step in the range."""
    completed: int
    """Those of them that took the last one, whenever that was."""
    completion_rate: float | None
    """Their share of the entries."""
    steps: tuple[Step, ...]
    """Every step of the funnel, in order."""
    out_of_order: int
    """Steps sent before those that lead to them."""
    largest_drop: str | None
    """Name of the step with the largest drop-off, the first of equals; None when nobody dropped off."""


def report(funnel: Funnel, reach: Reach) -> Report:
    """What is told of a funnel."""
    entries, completed = reach.sessions[0], reach.sessions[-1]
    steps = tuple(_step(funnel, reach, number) for number in range(len(funnel.steps)))
    worst = max(steps, key=lambda step: step.drop_off)
    return Report(
        entries=entries,
        completed=completed,
        completion_rate=_rate(completed, entries),
        steps=steps,
        out_of_order=reach.out_of_order,
        largest_drop=worst.name if worst.drop_off else None,
    )


def _step(funnel: Funnel, reach: Reach, number: int) -> Step:
    sessions = reach.sessions[number]
    before = reach.sessions[number - 1] if number else sessions
    return Step(
        step=number,
        name=funnel.steps[number],
        sessions=sessions,
        rate=_rate(sessions, reach.sessions[0]),
        drop_off=before - sessions,
        drop_off_rate=_rate(before - sessions, before) if number else None,
        median_ms=reach.median_ms[number],
    )


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
