"""Pauses between attempts and between rounds of periodic work, spread at random.

Processes that began together so do not return together. Spans are seconds. stamina draws the pause before each attempt;
`spread` shortens a period. Pauses do not grow: a process makes one attempt at a time, and the longest pause bounds how
late it sees that the server is back. Invariant: a pause lies between `SHORTEST_S` and `LONGEST_S`, and a period between
three quarters of itself and itself.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterable

import stamina
import structlog

SHORTEST_S, LONGEST_S = 0.25, 1.25
"""Bounds of the pause before another attempt."""

_log = structlog.get_logger(__name__)

# Its own hooks would log each attempt again, and count them by attempt number: a new series a failure.
stamina.instrumentation.set_on_retry_hooks(())


def attempts(failure: str, *errors: type[Exception]) -> AsyncIterable[stamina.Attempt]:
    """Attempts until one raises none of these errors; a failure is logged when it differs from the one before.

    Use it as `async for attempt in attempts(...): with attempt: ...`; to give up, return inside the block.
    """
    logged = ""

    def is_worth_another(problem: Exception) -> bool:
        nonlocal logged
        if not isinstance(problem, errors):
            return False
        if logged != (said := str(problem) or repr(problem)):
            _log.warning(failure, problem=said)
        logged = said
        return True

    return stamina.retry_context(
        on=is_worth_another,
        attempts=None,
        timeout=None,
        wait_initial=SHORTEST_S,
        wait_max=LONGEST_S,
        wait_jitter=LONGEST_S - SHORTEST_S,
        wait_exp_base=1,
    )


async def until_set(event: asyncio.Event, limit_s: float) -> None:
    """Rest until the event is set, or for the limit."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()


def spread(period_s: float) -> float:
    """The period or up to a quarter less: what all workers do at the same interval, they do at different times."""
    return period_s * random.uniform(0.75, 1)  # noqa: S311  jitter, no secret
