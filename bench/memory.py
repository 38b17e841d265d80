"""memory: resident size of gateway and aggregator under 20,000 points a second, and whether it grows.

MiB, sampled each 10 s. Ten minutes when the figure is asked for by name or `BENCH_MEMORY_S` says how long; three
within the whole. The law: the value is the largest sum after the warm-up, not a mean.
"""

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench import feed, stand
from bench.figure import Line, say
from deploy.local.stack import Stack

POINTS_PER_S = 20_000
POINTS_A_REQUEST = 200
SERIES = 10_000
SAMPLE_S = 10.0
LIMIT_MIB = 350.0
GROWTH = 0.02
"""Growth from the warm-up to the end, as a share of the whole, that is the allocator's noise."""


async def measure(stack: Stack, folder: Path, seconds: float) -> list[Line]:
    """The line; `BENCH_MEMORY_S` wins over `seconds`."""
    seconds = float(os.environ.get("BENCH_MEMORY_S") or seconds)
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            port = stand.free_port()
            environ = {**room.environ, "GATEWAY_PORT": str(port)}
            gateway = running.enter_context(stand.started(["services.gateway"], folder, environ))
            aggregator = running.enter_context(stand.started(["services.aggregator"], folder, environ))
            await stand.until_ready(gateway, port)
            samples, tally = await _loaded(room, port, (gateway, aggregator), seconds)
    feed.check(tally, POINTS_PER_S * seconds)
    return [_line(samples, tally, seconds)]


async def _loaded(
    room: stand.Room, port: int, processes: tuple[stand.Process, stand.Process], seconds: float
) -> tuple[list[tuple[float, float]], feed.Tally]:
    tally, samples = feed.Tally(), list[tuple[float, float]]()
    bodies = feed.templates(SERIES, POINTS_A_REQUEST, SERIES // POINTS_A_REQUEST)
    async with feed.client(port, room.key) as session:
        sending = asyncio.create_task(
            feed.steady(
                session, bodies, points=POINTS_A_REQUEST, every_s=POINTS_A_REQUEST / POINTS_PER_S, tally=tally
            )
        )
        for _ in range(round(seconds / SAMPLE_S)):
            done, _ = await asyncio.wait({sending}, timeout=SAMPLE_S)
            if done:
                sending.result()
            gateway, aggregator = (process.resident_bytes() / 2**20 for process in processes)
            samples.append((gateway, aggregator))
            say(f"  gateway {gateway:.0f} MiB, aggregator {aggregator:.0f} MiB, {tally.accepted:,} points")
        await feed.end(sending)
    return samples, tally


def _line(samples: list[tuple[float, float]], tally: feed.Tally, seconds: float) -> Line:
    warm = np.array(samples[len(samples) // 3 :])
    sums, minutes = warm.sum(axis=1), np.arange(len(warm)) * SAMPLE_S / 60
    slopes = [float(np.polyfit(minutes, column, 1)[0]) for column in (*warm.T, sums)]
    grown = slopes[2] * float(minutes[-1]) / float(sums.mean())
    goal = f"value < {LIMIT_MIB:g}, grown <= {GROWTH:g}"
    spread = [round(float(sums.min()), 1), round(float(sums.max()), 1)]
    conditions = {
        "naive_means": "none: the bound is absolute",
        "gateway_mib": round(float(warm[-1, 0]), 1),
        "aggregator_mib": round(float(warm[-1, 1]), 1),
        "growth_mib_per_min": dict(
            zip(("gateway", "aggregator", "both"), (round(slope, 2) for slope in slopes), strict=True)
        ),
        "grown": round(grown, 4),
        "points_per_s": round(tally.accepted / seconds),
        "points_a_request": POINTS_A_REQUEST,
        "series": SERIES,
        "seconds": seconds,
        "sent_late_s": round(tally.behind_s, 2),
    }
    reached = spread[1] < LIMIT_MIB and grown <= GROWTH
    return Line("memory", spread[1], "MiB", None, None, goal, reached, spread, conditions)
