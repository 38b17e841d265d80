"""What was asked of the tables and is asked for again and again: remembered, and asked anew in good time.

Seconds of a clock that only grows. Who asks while it is known is never kept waiting: from the half of its life on it is
asked for once more beside. One asks for all who want the same. Invariant: nothing is given that is older than allowed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache

from services.gateway.query.questions.ports import MAX_AGE_S

MAX_REMEMBERED = 4_096
"""Answers that are remembered at once."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Known(Generic[V]):
    asked_s: float
    value: V


@dataclass(frozen=True, slots=True, eq=False)
class _Flight(Generic[V]):
    asked_s: float
    task: "asyncio.Task[V]"


class Remembered(Generic[K, V]):
    """Answers by key; the one used longest ago makes room."""

    def __init__(self, clock: Callable[[], float], limit: int = MAX_REMEMBERED) -> None:
        self._clock = clock
        self._known: LRUCache[K, _Known[V]] = LRUCache(limit)
        self._flights: dict[K, _Flight[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]], newer_than_s: float = MAX_AGE_S) -> V:
        """The answer that was asked for so long ago at most, else what `ask` gives. Raises as `ask` does."""
        now_s, known, flight = self._clock(), self._known.get(key), self._flights.get(key)
        if known is not None and now_s - known.asked_s <= newer_than_s:
            if now_s - known.asked_s > MAX_AGE_S / 2 and flight is None:
                self._begin(key, ask)
            return known.value
        if flight is None or now_s - flight.asked_s > newer_than_s:
            flight = self._begin(key, ask)
        # It goes on for the others when the one who began it is gone.
        return await asyncio.shield(flight.task)

    def _begin(self, key: K, ask: Callable[[], Awaitable[V]]) -> _Flight[V]:
        asked_s = self._clock()

        async def asking() -> V:
            value = await ask()
            known = self._known.get(key)
            if known is None or known.asked_s <= asked_s:
                self._known[key] = _Known(asked_s, value)
            return value

        flight = self._flights[key] = _Flight(asked_s, asyncio.create_task(asking()))

        def over(task: "asyncio.Task[V]") -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not task.cancelled():
                task.exception()  # whoever waited may be gone, or nobody waited

        flight.task.add_done_callback(over)
        return flight
