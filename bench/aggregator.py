"""aggregator_10k, aggregator_100k: points per CPU-second of the aggregator process, from Kafka to committed windows.

A topic is filled first; each round starts the aggregator on it with an empty database and ends when every partition is
committed to its end. Only the CPU of the start-up (until the partitions are acquired) is excluded. The figure is
invalid unless counts, sums and sketches in each tier add up to the points sent.
"""

import functools
import math
import secrets
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from bench import log, preload, rounds, stand
from bench.figure import PAIRS, Invalid, Line, compared, say
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS
from tests.support.processes.builds import THIS, Build

PLANS = {
    "aggregator_10k": preload.Plan(series=10_000, windows=8, points_a_window=50, points_a_message=1000),
    "aggregator_100k": preload.Plan(series=100_000, windows=2, points_a_window=50, points_a_message=1000),
}
GOALS = {"aggregator_10k": (400.0, 1_000_000.0), "aggregator_100k": (400.0, 500_000.0)}
"""Least ratio and least value of each."""

NAIVE_MESSAGES = 30_000

TABLES = ("rollup_10s", "rollup_1m", "rollup_15m")
"""The finest first: of that one the number of rows is known."""


async def measure(stack: Stack, folder: Path, figure: str) -> list[Line]:
    """The line, with the Faust runtime of ours for information."""
    plan = PLANS[figure]
    async with stand.room(stack, folder) as room:
        topic = room.prefix + METRICS.name
        naive_topic = await room.add_topic("naive", 1)
        load = await preload.fill(stack.kafka, topic, room.tenant_id, plan)
        await preload.fill_naive(stack.kafka, naive_topic, plan.series, NAIVE_MESSAGES)
        say(f"  filled: {load.points:,} points in {load.messages:,} messages of {load.message_bytes:,} B")
        ours, naive = [], []
        for _ in range(PAIRS):
            ours.append(await _round(stack, folder, room.prefix, "aiokafka", load))
            naive.append(await _naive_round(stack, folder, naive_topic))
        faust = await _round(stack, folder, room.prefix, "faust", load)
    return [
        compared(
            figure, ours, naive, goals=GOALS[figure], runtime="aiokafka", faust_runtime=round(faust),
            points=load.points, points_a_message=plan.points_a_message, series=plan.series, windows=plan.windows,
            rows=load.rows, partitions=DEFAULT_PARTITIONS, message_bytes=load.message_bytes,
        )
    ]  # fmt: skip


async def in_turn(
    stack: Stack, folder: Path, figure: str, builds: Sequence[Build], pairs: int
) -> list[list[float]]:
    """The rates of each build, a round of each in turn; all read one topic, each writes into tables of its own."""
    async with stand.room(stack, folder) as room:
        load = await preload.fill(stack.kafka, room.prefix + METRICS.name, room.tenant_id, PLANS[figure])

        async def one(build: Build, _: int) -> float:
            return await _round(stack, folder, room.prefix, "aiokafka", load, build=build)

        return await rounds.in_turn([functools.partial(one, build) for build in builds], pairs)


async def _round(
    stack: Stack, folder: Path, prefix: str, runtime: str, load: preload.TopicLoad, *, build: Build = THIS
) -> float:
    topic = prefix + METRICS.name
    ends = await log.ends(stack.kafka, topic, DEFAULT_PARTITIONS)
    async with stand.room(stack, folder, topic_prefix=prefix, build=build) as room:
        connection = await asyncpg.connect(room.postgres)
        try:
            environ = {**room.environ, "AGGREGATOR_RUNTIME": runtime}
            with stand.started(["services.aggregator"], folder, environ, build) as process:
                cpu_s, wall_s, resident = await rounds.consumed(process, connection, topic, ends)
            await verify(connection, load)
        finally:
            await connection.close()
    rate = load.points / cpu_s
    say(
        f"  {build.commit[:7] or 'ours':7} {runtime}: {rate:,.0f} points/CPU-s ({cpu_s:.2f} CPU-s, {wall_s:.1f} s, "
        f"{load.points / wall_s:,.0f} points/s, {resident / 2**20:.0f} MiB)"
    )
    return rate


async def verify(connection: asyncpg.Connection, load: preload.TopicLoad) -> None:
    """Raise `Invalid` unless every tier holds all that was sent."""
    for table in TABLES:
        found = await connection.fetchrow(
            "SELECT count(*) AS rows, sum(count) AS points, sum(late_count) AS late, sum(sum) AS total, "
            f"sum((SELECT sum(w) FROM unnest(sketch_weight) AS w)) AS sketched FROM {table}"
        )
        same = (found["points"], found["late"], found["sketched"]) == (load.points, 0, load.points)
        whole = found["rows"] == load.rows or table != TABLES[0]
        if not (same and whole and math.isclose(found["total"], load.total, rel_tol=1e-9)):
            raise Invalid(f"sent {load}, none late; in {table}: {dict(found)}")


async def _naive_round(stack: Stack, folder: Path, topic: str) -> float:
    environ = {
        "BENCH_KAFKA": stack.kafka, "BENCH_TOPIC": topic, "BENCH_GROUP": f"bench-{secrets.token_hex(4)}",
        "BENCH_MESSAGES": str(NAIVE_MESSAGES), "BENCH_FOLDER": str(folder / "faust"),
    }  # fmt: skip
    messages, cpu_s = await rounds.naive("aggregator", environ)
    say(
        f"  naive faust table: {messages / cpu_s:,.0f} points/CPU-s ({messages:,} messages, {cpu_s:.2f} CPU-s)"
    )
    return messages / cpu_s
