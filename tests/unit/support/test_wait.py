"""Waiting for a value: what is wanted ends the wait, and what is not comes back to be compared."""

from collections.abc import Awaitable, Callable, Iterator

from tests.support.wait import settled


def finding(*values: int) -> Callable[[], Awaitable[int]]:
    """Finds these, one after the other."""
    left: Iterator[int] = iter(values)

    async def find() -> int:
        return next(left)

    return find


async def test_the_wait_ends_with_what_is_wanted() -> None:
    """Nothing is asked for after it."""
    assert await settled(finding(1, 2), 2) == 2


async def test_what_is_not_wanted_comes_back() -> None:
    """At the deadline the test has what was found last, to compare it."""
    assert await settled(finding(1), 2, 0.0) == 1
