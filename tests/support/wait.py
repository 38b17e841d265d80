"""Waiting on facts: the only place in the tests where real time passes.

Spans are seconds. A wait ends as soon as its fact holds, and fails with the name of the fact at its deadline.
"""

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_S = 90.0
LOOK_EVERY_S = 0.05


async def until(fact: Callable[[], Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once `fact` holds; raise `AssertionError` naming `what` when it does not by the deadline."""
    try:
        async with asyncio.timeout(deadline_s):
            while not await fact():  # noqa: ASYNC110 # a fact in another process cannot wake us
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s:g} s: {what}") from None
