"""Long work in steps, between which whoever runs it may do something else.

Monotonic seconds. Invariant: between two steps all that requests share is whole, so that others may be read there.
"""

from collections.abc import Callable, Generator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Yields after each step; returns what came of all of them."""

BUSY_S = 0.005
"""How long work goes on until others have their turn."""

STEP_ITEMS = 1_000
"""Points, events or new series of a step: some milliseconds when each of them is new."""


def finished(steps: Steps[T]) -> T:
    """What comes of it, without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


class Done(NamedTuple, Generic[T]):
    """The end of the work."""

    result: T


def advanced(steps: Steps[T], now_s: Callable[[], float]) -> Done[T] | None:
    """Go on for `BUSY_S`; what came of it, None while there is more to do."""
    until_s = now_s() + BUSY_S
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return Done(end.value)
        if now_s() > until_s:
            return None
