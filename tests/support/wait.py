"""Waiting on facts: the only place in the tests where real time passes.

Spans are seconds. A wait ends as soon as its fact holds, and fails with the name of the fact at its deadline: as the
test gives it for a machine of its own, and three times that, since three tests run beside each other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

DEADLINE_S = 90.0
LOOK_EVERY_S = 0.05
BESIDE = 3
"""Tests that run beside each other, each of which takes its part of the machine."""

T = TypeVar("T")


async def until(fact: Callable[[], Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once `fact` holds; raise `AssertionError` naming `what` when it does not by the deadline."""
    try:
        async with asyncio.timeout(deadline_s * BESIDE) as limit:
            while not await fact():  # noqa: ASYNC110 # a fact in another process cannot wake us
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        if not limit.expired():
            raise  # the fact itself gave something up
        raise AssertionError(f"not within {deadline_s * BESIDE:g} s: {what}") from None


async def settled(find: Callable[[], Awaitable[T]], wanted: T, deadline_s: float = DEADLINE_S) -> T:
    """What `find` gives: `wanted` as soon as it does, else the last of the time, so that a test shows what differs."""
    found = await find()
    try:
        async with asyncio.timeout(deadline_s) as limit:
            while found != wanted:
                await asyncio.sleep(LOOK_EVERY_S)
                found = await find()
    except TimeoutError:
        if not limit.expired():
            raise
    return found
