"""One round of a consumer: ours by the checkpoints it commits, the naive one by what it says at its end.

Seconds of CPU and of the clock. The CPU of start-up is left out on both sides, all else is in.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg
import orjson

from bench import stand
from bench.figure import Invalid
from shared.runtime.clock import monotonic_s

LIMIT_S = 120.0


async def consumed(
    process: stand.Process, connection: asyncpg.Connection, topic: str, ends: Mapping[int, int]
) -> tuple[float, float, int]:
    """CPU and wall seconds from the acquisition to the last commit, and the memory at its end."""

    async def acquired() -> bool:
        found = await connection.fetchval("SELECT count(*) FROM partition_state WHERE topic = $1", topic)
        return bool(found == len(ends))

    async def committed() -> bool:
        rows = await connection.fetch(
            "SELECT partition, next_offset FROM partition_state WHERE topic = $1", topic
        )
        return {row["partition"]: row["next_offset"] for row in rows} == ends

    await stand.until("partitions acquired", process, acquired)
    begin_cpu_s, begin_s = process.cpu_s(), monotonic_s()
    await stand.until("all committed", process, committed, LIMIT_S)
    return process.cpu_s() - begin_cpu_s, monotonic_s() - begin_s, process.resident_bytes()


async def in_turn(measures: Sequence[Callable[[int], Awaitable[float]]], pairs: int) -> list[list[float]]:
    """The rates of each, round against round. A measure takes the number of its round.

    Round 0 of each, which finds cold servers, does not count. The order turns about from pair to pair, so that what
    drifts, or what a round leaves behind for the next, falls on both sides alike.
    """
    for measure in measures:
        await measure(0)
    rates: list[list[float]] = [[] for _ in measures]
    for number in range(1, pairs + 1):
        sides = list(zip(measures, rates, strict=True))
        for measure, own in sides if number % 2 else sides[::-1]:
            own.append(await measure(number))
    return rates


async def naive(service: str, environ: Mapping[str, str]) -> tuple[int, float]:
    """Messages and CPU seconds of `bench.naive.<service>`, which ends itself after the last."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", f"bench.naive.{service}", cwd=stand.ROOT,
        env={**os.environ, **environ}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        process.kill()
        raise Invalid(f"the naive {service} did not finish within {LIMIT_S:g} s") from None
    lines = [line for line in out.splitlines() if line.startswith(b'{"messages"')]
    if not lines:
        raise Invalid(f"the naive {service} ended with {process.returncode}: {errors.decode()[-500:]}")
    told = orjson.loads(lines[-1])
    return int(told["messages"]), float(told["cpu_s"])
