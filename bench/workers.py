"""two_workers, telemetry_cost: the gain of a second worker, and the cost of being scraped by Prometheus.

Two workers: points per second of the clock, one worker and two in turn on a load of ten thousand series, with the load
of the machine beside it. Telemetry: points per CPU-second with the metrics port, scraped every five seconds, and
without. Both sides of a pair must end with the same rows.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import psutil  # type: ignore[import-untyped]  # ships no types

from bench import log, preload, rounds, stand
from bench.aggregator import PLANS, verify
from bench.figure import PAIRS, Line, rounded, say
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS

LEAST_GAIN, LEAST_SHARE = 1.6, 0.95
LONG = replace(PLANS["aggregator_10k"], windows=24)
"""Long enough that the rebalance for the second worker hardly counts."""

ROUNDS = 6
"""Pairs for telemetry, every other one in reverse order, because the cost is smaller than the noise of a machine."""

ASK_EVERY_S = 5.0


async def measure_workers(stack: Stack, folder: Path) -> list[Line]:
    """The line of the second worker."""
    async with stand.room(stack, folder) as room:
        topic = room.prefix + METRICS.name
        load = await preload.fill(stack.kafka, topic, room.tenant_id, LONG)
        ends = await log.ends(stack.kafka, topic, DEFAULT_PARTITIONS)
        rates: dict[int, list[float]] = {1: [], 2: []}
        busy: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(PAIRS):
            for workers in (1, 2):
                async with stand.room(stack, folder, topic_prefix=room.prefix) as own:
                    psutil.cpu_percent()
                    wall_s = await _consumed(own, folder, workers, topic, ends)
                    busy[workers].append(psutil.cpu_percent())
                    connection = await asyncpg.connect(own.postgres)
                    await verify(connection, load)
                    await connection.close()
                rates[workers].append(load.points / wall_s)
                say(
                    f"  {workers}: {rates[workers][-1]:,.0f} points/s, the machine {busy[workers][-1]:.0f} % busy"
                )
    ratio = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    one, two = (round(statistics.median(rates[workers])) for workers in (1, 2))
    shown = {
        "naive_means": "one worker", "pairs": PAIRS, "cores": psutil.cpu_count(),
        "machine_busy_percent": {str(workers): round(statistics.median(each)) for workers, each in busy.items()},
    }  # fmt: skip
    goal = f"ratio >= {LEAST_GAIN:g}"
    return [
        Line(
            "two_workers",
            two,
            "points/s",
            one,
            round(ratio, 2),
            goal,
            ratio >= LEAST_GAIN,
            rounded(rates[2]),
            shown,
        )
    ]


async def _consumed(room: stand.Room, folder: Path, workers: int, topic: str, ends: dict[int, int]) -> float:
    """Wall seconds from the moment all partitions are owned until all is committed."""
    connection = await asyncpg.connect(room.postgres)
    async with AsyncExitStack() as running:
        running.push_async_callback(connection.close)
        processes = []
        for number in range(workers):
            admit = folder / f"worker-{number}"
            admit.mkdir(exist_ok=True)
            started = stand.started(["services.aggregator"], admit, room.environ)
            processes.append(running.enter_context(started))
        _, wall_s, _ = await rounds.consumed(processes[0], connection, topic, ends)
    return wall_s


async def measure_telemetry(stack: Stack, folder: Path) -> list[Line]:
    """The line of telemetry."""
    async with stand.room(stack, folder) as room:
        topic = room.prefix + METRICS.name
        load = await preload.fill(stack.kafka, topic, room.tenant_id, PLANS["aggregator_10k"])
        ends = await log.ends(stack.kafka, topic, DEFAULT_PARTITIONS)
        rates: dict[bool, list[float]] = {True: [], False: []}
        for at in range(ROUNDS):
            for watched in (at % 2 == 0, at % 2 == 1):
                async with stand.room(stack, folder, topic_prefix=room.prefix) as own:
                    cpu_s = await _cpu_s(own, folder, topic, ends, port=stand.free_port() if watched else 0)
                rates[watched].append(load.points / cpu_s)
                say(f"  watched {watched}: {rates[watched][-1]:,.0f} points/CPU-s")
    ratio = statistics.median(on / off for on, off in zip(rates[True], rates[False], strict=True))
    on, off = (round(statistics.median(rates[watched])) for watched in (True, False))
    shown = {"naive_means": "the same worker, not watched", "pairs": ROUNDS}
    goal = f"ratio >= {LEAST_SHARE:g}"
    return [
        Line(
            "telemetry_cost", on, "points/CPU-s", off, round(ratio, 3), goal, ratio >= LEAST_SHARE,
            rounded(rates[True]), shown,
        )
    ]  # fmt: skip


async def _cpu_s(room: stand.Room, folder: Path, topic: str, ends: dict[int, int], port: int) -> float:
    connection = await asyncpg.connect(room.postgres)
    environ = {**room.environ, "AGGREGATOR_METRICS_PORT": str(port)}
    try:
        with stand.started(["services.aggregator"], folder, environ) as process:
            async with _asked(port):
                cpu_s, _, _ = await rounds.consumed(process, connection, topic, ends)
            return cpu_s
    finally:
        await connection.close()


@asynccontextmanager
async def _asked(port: int) -> AsyncIterator[None]:
    """A Prometheus that asks each second; none without a port."""
    asking = asyncio.create_task(_ask(port)) if port else None
    yield
    if asking is not None:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


async def _ask(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    await answer.read()
            await asyncio.sleep(ASK_EVERY_S)
