"""What `timed` decorates is timed until it ends, whatever form it has, and stays what it was."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tidegauge_client.timed import Timed


@pytest.fixture
def spans() -> list[float]:
    """What was reported."""
    return []


@pytest.fixture
def timed(spans: list[float]) -> Timed:
    """Reports to the list."""
    return Timed(spans.append)


def test_a_generator_is_timed_from_its_first_step_to_its_end(timed: Timed, spans: list[float]) -> None:
    """Not until it is made; what is sent into it and what it returns pass through."""

    @timed
    def echo(first: int) -> Iterator[int]:
        """Says what it hears."""
        heard = yield first
        while heard is not None:
            heard = yield heard
        return "done"  # type: ignore[return-value]

    made = echo(1)
    assert [1, 2, 3] == [next(made), made.send(2), made.send(3)]
    assert [] == spans
    with pytest.raises(StopIteration) as ended:
        made.send(None)

    assert ("done", 1, "Says what it hears.") == (ended.value.value, len(spans), echo.__doc__)
    assert inspect.isgeneratorfunction(echo)


def test_a_generator_that_nobody_reads_to_its_end_is_timed(timed: Timed, spans: list[float]) -> None:
    """One that is closed, one that fails, and one that is thrown into; one that is never begun is not."""

    @timed
    def three() -> Iterator[int]:
        try:
            yield from range(3)
        except KeyError:
            yield 7
            raise

    closed, thrown = three(), three()
    three()
    next(closed)
    closed.close()
    next(thrown)
    assert 7 == thrown.throw(KeyError())
    assert 1 == len(spans)
    with pytest.raises(KeyError):
        next(thrown)

    assert 2 == len(spans)


async def test_an_async_generator_is_timed_like_a_generator(timed: Timed, spans: list[float]) -> None:
    """Sent into, thrown into, closed, and read to the end."""
    closed = []

    @timed
    async def echo(first: int) -> AsyncIterator[Any]:
        heard = yield first
        try:
            while heard:
                heard = yield heard
        except KeyError:
            yield "caught"
        finally:
            closed.append(first)

    read = [each async for each in echo(1)]
    sent: Any = echo(2)
    heard = [await anext(sent), await sent.asend("a"), await sent.athrow(KeyError())]
    assert 1 == len(spans)
    await sent.aclose()
    failing: Any = echo(3)
    await anext(failing)
    await failing.asend(1)
    with pytest.raises(ValueError, match="mine"):
        await failing.athrow(ValueError("mine"))

    assert ([1], [2, "a", "caught"], [1, 2, 3], 3) == (read, heard, closed, len(spans))
    assert inspect.isasyncgenfunction(echo)


async def test_a_coroutine_that_is_cancelled_is_timed(timed: Timed, spans: list[float]) -> None:
    """It took as long as it was let."""
    begun = asyncio.Event()

    @timed
    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert 1 == len(spans)


async def test_what_is_called_like_a_function_is_timed_by_what_it_is(
    timed: Timed, spans: list[float]
) -> None:
    """Methods, partial functions, and objects whose call is a coroutine function."""

    class Job:
        @timed
        async def method(self, number: int) -> int:
            return number

        async def __call__(self, number: int) -> int:
            return number + 1

    async def plain(number: int, more: int) -> int:
        return number + more

    forms: list[Callable[[int], Any]] = [
        Job().method, timed(functools.partial(plain, more=2)), timed(_named(Job())),
    ]  # fmt: skip

    assert [5, 7, 6] == [await form(5) for form in forms]
    assert 3 == len(spans)


def _named(job: Any) -> Any:
    job.__name__ = "job"
    return job
