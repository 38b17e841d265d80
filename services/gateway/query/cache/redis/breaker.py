"""Asks Redis while it answers.

Spans are seconds. After a failure nobody waits for it for some of them; then one question asks whether it is back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from shared.errors import Unavailable
from shared.runtime.redis import guard

BREAK_S = 5.0
"""How long it is not asked after a failure."""

ASK_S = 0.2
"""Bound on one question: the tables answer as fast."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Breaker:
    """Whether Redis is worth asking."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until_s = float("-inf")
        self._failed = False
        self.failures = 0
        """Questions that were not answered."""

    def is_open(self) -> bool:
        """Whether nobody asks now."""
        return self._clock() < self._until_s

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Its answer; None where there is none now."""
        if self.is_open():
            return None
        if self._failed:
            # This one asks whether it is back; the others go on without.
            self._until_s = self._clock() + BREAK_S
        try:
            with guard():
                async with asyncio.timeout(ASK_S):
                    found = await question()
        except Unavailable as problem:
            if not self._failed:
                _log.warning("the shared cache does not answer", problem=str(problem))
            self._failed, self._until_s = True, self._clock() + BREAK_S
            self.failures += 1
            return None
        self._failed, self._until_s = False, float("-inf")
        return found
