"""Retries: pauses within bounds that differ from process to process, and failures that end them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from shared.errors import Unavailable
from shared.runtime.retry import LONGEST_S, SHORTEST_S, attempts, spread

ROOT = Path(__file__).resolve().parents[3]

DRAWN = """
import json, random
from asyncio import get_running_loop
from shared.runtime.retry import attempts, spread
from tests.support.simulated.loop import SimulatedLoop

async def run():
    began = []
    async for attempt in attempts("away", ConnectionError):
        with attempt:
            began.append(get_running_loop().time())
            if len(began) <= 20:
                raise ConnectionError
    return [later - sooner for sooner, later in zip(began, began[1:])]

print(json.dumps(SimulatedLoop(random.Random(0)).run(run()) + [spread(1.0) for _ in range(20)]))
"""
"""Prints 20 pauses between attempts, on a loop whose clock jumps to the next timer, and 20 periods of a second."""


def drawn() -> tuple[list[float], list[float]]:
    """Pauses and periods of a fresh process."""
    done = subprocess.run([sys.executable, "-c", DRAWN], cwd=ROOT, capture_output=True, text=True, check=True)
    numbers = json.loads(done.stdout.splitlines()[-1])
    return numbers[:20], numbers[20:]


def test_processes_that_begin_together_do_not_return_together() -> None:
    """Two processes draw different pauses and periods, and none twice; all of them lie within their bounds."""
    (one_pauses, one_periods), (other_pauses, other_periods) = drawn(), drawn()

    assert 40 == len({*one_pauses, *other_pauses})
    assert 40 == len({*one_periods, *other_periods})
    assert all(SHORTEST_S - 1e-9 <= pause <= LONGEST_S + 1e-9 for pause in one_pauses + other_pauses)
    assert all(0.75 <= period <= 1 for period in one_periods + other_periods)


@pytest.fixture
def at_once() -> Iterator[None]:
    """Attempts without pauses: stamina's own mode for tests, without its limit of attempts."""
    with stamina.set_testing(True, attempts=1_000):
        yield


@pytest.mark.usefixtures("at_once")
async def test_it_is_tried_until_it_succeeds() -> None:
    """Each failure that was named leads to another attempt; the first success is the last attempt."""
    made = 0

    async for attempt in attempts("away", Unavailable):
        with attempt:
            made += 1
            if made < 50:
                raise Unavailable("postgres", "away")

    assert 50 == made


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError], ids=["a bug", "a cancellation"])
async def test_what_was_not_named_is_raised_at_once(error: type[BaseException]) -> None:
    """A bug and a cancellation end the attempts."""
    made = []

    async def run() -> None:
        async for attempt in attempts("away", Unavailable):
            with attempt:
                made.append(attempt.num)
                raise error

    with pytest.raises(error):
        await run()
    assert [1] == made


async def test_who_waits_for_an_attempt_can_be_cancelled() -> None:
    """A process that is told to end does not wait for the next attempt."""

    async def run() -> None:
        async for attempt in attempts("away", Unavailable):
            with attempt:
                failed.set()
                raise Unavailable("kafka", "away")

    failed = asyncio.Event()
    task = asyncio.create_task(run())
    await failed.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_period_is_never_longer_than_it_says() -> None:
    """What promises a longest time keeps it."""
    assert 0 == spread(0.0)
    assert max(spread(5.0) for _ in range(1_000)) <= 5.0
