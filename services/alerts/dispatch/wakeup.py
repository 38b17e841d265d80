"""The rest of a loop between two turns: until it is woken, or for the longest time.

Spans are seconds.
"""

import asyncio

from shared.runtime.retry import spread, until_set

POLL_S = 1.0
"""Longest time between two turns: for what failed before, and for what others left."""


class Wakeup:
    """Wakes one loop, and ends it."""

    def __init__(self, interval_s: float = POLL_S) -> None:
        self.stopping = False
        self._interval_s = interval_s
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Let the loop turn at once: there may be something new."""
        self._woken.set()

    def stop(self) -> None:
        """Let the loop end when nothing is left to do."""
        self.stopping = True
        self.wake()

    def clear(self) -> None:
        """Begin a turn; a wake from now on is for the next one."""
        self._woken.clear()

    async def rest(self) -> None:
        """Wait for the next turn."""
        await until_set(self._woken, spread(self._interval_s))
