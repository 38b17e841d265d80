"""memory: resident size of the four services under 10,000 points and 1,000 events a second, and whether it grows.

MiB, sampled every 10 s, for 40 minutes when the figure is asked for by name, for three minutes within the whole, or for
`BENCH_MEMORY_S`. Open windows of 15 minutes fill and empty, so a long enough run compares the peaks of two such spans.
The value is the largest sum after the warm-up. The figure is invalid unless everything sent has come out.
"""

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import numpy as np

from bench import feed, stand
from bench.figure import Line, say
from deploy.local.stack import Stack

SERVICES = ("gateway", "ingest", "aggregator", "alerts")
POINTS_PER_S, POINTS_A_REQUEST, SERIES = 10_000, 200, 10_000
EVENTS_PER_S, EVENTS_A_REQUEST = 1_000, 100
SAMPLE_S = 10.0
LIMIT_MIB = 600.0
GROWTH = 0.02
"""Growth from the warm-up to the end, as a share of the whole, that is the allocator's noise."""

PERIOD_S = 900.0
"""The longest window: state grows until it closes."""

RULES = stand.ROOT / "deploy/rules/default.yml"


async def measure(stack: Stack, folder: Path, seconds: float) -> list[Line]:
    """The line; `BENCH_MEMORY_S` wins over `seconds`."""
    seconds = float(os.environ.get("BENCH_MEMORY_S") or seconds)
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            gateway, port = await stand.gateway(running, room)
            environ = room.environ | {"ALERTS_RULES": str(RULES)}
            others = [stand.started([f"services.{name}"], folder, environ) for name in SERVICES[1:]]
            processes = [gateway, *map(running.enter_context, others)]
            samples, points, events = await _loaded(room, port, processes, seconds)
            await stand.until("every event is stored", processes[1], lambda: _stored(room, events.accepted))
    feed.check(points, POINTS_PER_S * seconds)
    feed.check(events, EVENTS_PER_S * seconds)
    return [_line(np.array(samples), points, events, seconds)]


async def _loaded(
    room: stand.Room, port: int, processes: list[stand.Process], seconds: float
) -> tuple[list[list[float]], feed.Sent, feed.Sent]:
    """Sizes of the processes in MiB, a row a sample, and what was accepted."""
    bodies = feed.templates(SERIES, POINTS_A_REQUEST, SERIES // POINTS_A_REQUEST)
    streams = (
        feed.Stream(feed.POINTS, bodies, POINTS_A_REQUEST, POINTS_A_REQUEST / POINTS_PER_S),
        feed.Stream(
            feed.EVENTS,
            feed.event_templates(EVENTS_A_REQUEST, 20),
            EVENTS_A_REQUEST,
            EVENTS_A_REQUEST / EVENTS_PER_S,
        ),
    )
    samples, sent_each = list[list[float]](), (feed.Sent(), feed.Sent())
    async with feed.client(port, room.key) as session:
        sending = [
            asyncio.create_task(feed.steady(session, stream, sent))
            for stream, sent in zip(streams, sent_each, strict=True)
        ]
        for _ in range(round(seconds / SAMPLE_S)):
            done, _ = await asyncio.wait(sending, timeout=SAMPLE_S, return_when=asyncio.FIRST_COMPLETED)
            for broken in done:
                broken.result()
            samples.append([process.resident_bytes() / 2**20 for process in processes])
            sizes = ", ".join(f"{name} {size:.0f}" for name, size in zip(SERVICES, samples[-1], strict=True))
            say(f"  {sizes} MiB; {sent_each[0].accepted:,} points, {sent_each[1].accepted:,} events")
        for task in sending:
            await feed.end(task)
    return samples, *sent_each


async def _stored(room: stand.Room, events: int) -> bool:
    """Whether so many events are in the table."""
    conn = await asyncpg.connect(room.postgres)
    try:
        return bool(await conn.fetchval("SELECT count(*) = $1 FROM event", events))
    finally:
        await conn.close()


def _line(samples: np.ndarray, points: feed.Sent, events: feed.Sent, seconds: float) -> Line:
    warm = samples[len(samples) // 3 :]
    sums, minutes = warm.sum(axis=1), np.arange(len(warm)) * SAMPLE_S / 60
    slopes = [float(np.polyfit(minutes, column, 1)[0]) for column in (*warm.T, sums)]
    grown = _grown(samples.sum(axis=1), slopes[-1] * float(minutes[-1]))
    goal = f"value < {LIMIT_MIB:g}, grown <= {GROWTH:g}"
    spread = [round(float(sums.min()), 1), round(float(sums.max()), 1)]
    conditions = {
        "naive_means": "none: the bound is absolute",
        "mib": dict(zip(SERVICES, warm[-1].round(1).tolist(), strict=True)),
        "growth_mib_per_min": dict(zip((*SERVICES, "all"), np.round(slopes, 2).tolist(), strict=True)),
        "grown": round(grown, 4),
        "points_per_s": round(points.accepted / seconds),
        "events_per_s": round(events.accepted / seconds),
        "series": SERIES,
        "seconds": seconds,
        "grown_by": "peaks of two windows of 15 minutes"
        if seconds > 2 * PERIOD_S
        else "slope after the warm-up",
        "sent_late_s": round(max(points.behind_s, events.behind_s), 2),
    }
    reached = spread[1] < LIMIT_MIB and grown <= GROWTH
    return Line("memory", spread[1], "MiB", None, None, goal, reached, spread, conditions)


def _grown(sums: np.ndarray, risen: float) -> float:
    """Growth as a share of the whole: from one long window to the next, or what the slope gives in a shorter run."""
    period = round(PERIOD_S / SAMPLE_S)
    if len(sums) <= 2 * period:
        return risen / float(sums.mean())
    before, last = float(sums[-2 * period : -period].max()), float(sums[-period:].max())
    return last / before - 1
