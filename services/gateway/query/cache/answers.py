"""Answers that were made, each with the state of the rows that it was made of.

Sizes are bytes. Nothing here decides what is valid: whoever asks has gathered what an answer would be made of now, each
block of it valid by the log, and an answer made of anything else is made anew. So an answer is never older than its
blocks. One making for all who wait for the same; whatever is known can be forgotten at any time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cachetools import LRUCache

from services.gateway.query.cache.statistics import ANSWERS, Statistics
from services.gateway.query.questions.ports import Answer
from shared.model.bound import Bound

MAX_BYTES = 16 << 20
"""What answers may take, beside the blocks."""

MOST_SHARE = 8
"""An answer that takes more than one in so many of all bytes is not kept."""

_VALUE_BYTES = 32
"""About what a value in a list or a mapping takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An answer."""

    state: Hashable
    """What it was made of."""
    answer: Answer
    tenant_id: int
    size: int


class Answers(LRUCache[bytes, Made]):
    """The last answer of each question; the one used longest ago makes room."""

    def __init__(self, statistics: Statistics, limit_bytes: int = MAX_BYTES) -> None:
        super().__init__(limit_bytes, lambda made: made.size)
        self._statistics = statistics
        self._flights: dict[tuple[bytes, Hashable], asyncio.Task[Answer]] = {}
        self.evicted = 0
        """Answers that made room."""

    async def answer(
        self, tenant_id: int, key: bytes, state: Hashable | None, make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """The answer of a question that was made of this state, else what `make` makes. Raises as `make` does.

        `key` names question and tenant. None for a state that nobody can tell: then it is made, and not kept.
        """
        if state is None:
            return await make()
        made = self.get(key)
        if made is not None and self._is_of(made, state):
            self._statistics.saw(tenant_id, "l1", ANSWERS, "hits")
            return made.answer
        self._statistics.saw(tenant_id, "l1", ANSWERS, "misses" if made is None else "invalid")
        flight = self._flights.get((key, state))
        if flight is None:
            flight = self._begin(tenant_id, key, state, make)
        # It goes on for the others when the one who began it is gone.
        return await asyncio.shield(flight)

    def _is_of(self, made: Made, state: Hashable) -> bool:
        return made.state == state

    def _begin(
        self, tenant_id: int, key: bytes, state: Hashable, make: Callable[[], Awaitable[Answer]]
    ) -> "asyncio.Task[Answer]":
        async def kept() -> Answer:
            answer = await make()
            self._keep(key, Made(state, answer, tenant_id, size_of(answer)))
            return answer

        def over(task: "asyncio.Task[Answer]") -> None:
            del self._flights[key, state]
            if not task.cancelled():
                task.exception()  # whoever waited may be gone

        flight = self._flights[key, state] = asyncio.create_task(kept())
        flight.add_done_callback(over)
        return flight

    def _keep(self, key: bytes, made: Made) -> None:
        if made.size * MOST_SHARE <= self.maxsize:
            self[key] = made
        else:
            self.pop(key, None)

    def popitem(self) -> tuple[bytes, Made]:
        """Take out the answer that was used longest ago."""
        self.evicted += 1
        return super().popitem()

    def bytes_of(self, tenant_id: int) -> int:
        """What the answers of a tenant take."""
        return sum(made.size for made in self.values() if made.tenant_id == tenant_id)

    def bound(self) -> Bound:
        """What it may hold."""
        return Bound("answers", "bytes", int(self.maxsize), lambda: int(self.currsize), lambda: self.evicted)


def size_of(value: Any) -> int:
    """About how many bytes an answer, or a part of it, takes."""
    match value:
        case np.ndarray():
            return value.nbytes + _VALUE_BYTES
        case Mapping():
            return sum(map(size_of, value.values())) + _VALUE_BYTES * (1 + len(value))
        case str():
            return _VALUE_BYTES + len(value)
        case Sequence():
            nested = value and isinstance(value[0], Mapping | Sequence | np.ndarray)
            return (sum(map(size_of, value)) if nested else 0) + _VALUE_BYTES * (1 + len(value))
        case _:
            return _VALUE_BYTES
