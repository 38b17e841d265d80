"""ingest_events: events per CPU-second of the ingest process, from Kafka to committed rows and published points.

A topic is filled first; each round starts ingest on it with an empty database and ends when every partition is
committed to its end. Only the CPU of the start-up (until the partitions are acquired) is excluded. The figure is
invalid unless every distinct event is in the table once, and every derived point in the log once.
"""

import functools
import secrets
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from bench import event_load, log, rounds, stand
from bench.figure import PAIRS, Invalid, Line, compared, say
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS, EVENTS, METRICS
from tests.support.processes.builds import THIS, Build

PLANS = {"ingest_events": event_load.Plan(events=400_000, sessions=1000, events_a_message=100)}
NAIVE_EVENTS = 15_000

_NAIVE_TABLE = """
CREATE TABLE naive_event (event_id text PRIMARY KEY, ts timestamptz NOT NULL, type text NOT NULL, name text NOT NULL,
                          session_id text, user_id text, properties jsonb NOT NULL)
"""


async def measure(stack: Stack, folder: Path, figure: str) -> list[Line]:
    """The line, with the other runtime for information."""
    plan = PLANS[figure]
    async with stand.room(stack, folder) as room:
        topic = room.prefix + EVENTS.name
        naive_topic, naive_points = await room.add_topic("naive", 1), await room.add_topic("naive-points", 1)
        load = await event_load.fill(stack.kafka, topic, room.tenant_id, plan)
        await event_load.fill_naive(stack.kafka, naive_topic, room.tenant_id, plan, NAIVE_EVENTS)
        say(f"  filled: {load.events:,} events in {load.messages:,} messages of {load.message_bytes:,} B")
        ours, naive = [], []
        for _ in range(PAIRS):
            ours.append(await _round(stack, folder, room.prefix, "faust", load))
            naive.append(await _naive_round(stack, folder, naive_topic, naive_points))
        aiokafka = await _round(stack, folder, room.prefix, "aiokafka", load)
    return [
        compared(
            figure, ours, naive, goals=(5.0, 0.0), unit="events/CPU-s", runtime="faust",
            aiokafka_runtime=round(aiokafka), events=load.events, distinct=load.distinct,
            events_a_message=plan.events_a_message, sessions=plan.sessions, partitions=DEFAULT_PARTITIONS,
            message_bytes=load.message_bytes,
        )
    ]  # fmt: skip


async def in_turn(
    stack: Stack, folder: Path, figure: str, builds: Sequence[Build], pairs: int
) -> list[list[float]]:
    """The rates of each build, a round of each in turn; all read one topic, each writes into tables of its own."""
    async with stand.room(stack, folder) as room:
        load = await event_load.fill(stack.kafka, room.prefix + EVENTS.name, room.tenant_id, PLANS[figure])

        async def one(build: Build, _: int) -> float:
            return await _round(stack, folder, room.prefix, "faust", load, build=build)

        return await rounds.in_turn([functools.partial(one, build) for build in builds], pairs)


async def _round(
    stack: Stack, folder: Path, prefix: str, runtime: str, load: event_load.TopicLoad, *, build: Build = THIS
) -> float:
    topic, points = prefix + EVENTS.name, prefix + METRICS.name
    ends = await log.ends(stack.kafka, topic, DEFAULT_PARTITIONS)
    before = await log.ends(stack.kafka, points, DEFAULT_PARTITIONS)
    async with stand.room(stack, folder, topic_prefix=prefix, build=build) as room:
        connection = await asyncpg.connect(room.postgres)
        try:
            environ = {**room.environ, "INGEST_RUNTIME": runtime}
            with stand.started(["services.ingest"], folder, environ, build) as process:
                cpu_s, wall_s, resident = await rounds.consumed(process, connection, topic, ends)
            found = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM event) AS events, (SELECT count(*) FROM event_id) AS ids, "
                "(SELECT coalesce(sum(cardinality(step)), 0) FROM funnel_entry) AS steps"
            )
        finally:
            await connection.close()
    after = await log.ends(stack.kafka, points, DEFAULT_PARTITIONS)
    derived = await log.points_between(stack.kafka, points, before, after)
    if (*found.values(), derived) != (load.distinct, load.distinct, load.steps, load.points):
        raise Invalid(f"sent {load}; in the tables {dict(found)}, derived {derived}")
    rate = load.events / cpu_s
    say(
        f"  {build.commit[:7] or 'ours':7} {runtime}: {rate:,.0f} events/CPU-s ({cpu_s:.2f} CPU-s, {wall_s:.1f} s, "
        f"{load.events / wall_s:,.0f} events/s, {resident / 2**20:.0f} MiB)"
    )
    return rate


async def _naive_round(stack: Stack, folder: Path, topic: str, points: str) -> float:
    async with stand.room(stack, folder, topic_prefix="") as room:
        connection = await asyncpg.connect(room.postgres)
        await connection.execute(_NAIVE_TABLE)
        await connection.close()
        environ = {
            "BENCH_KAFKA": stack.kafka, "BENCH_TOPIC": topic, "BENCH_POINTS": points, "BENCH_POSTGRES": room.postgres,
            "BENCH_GROUP": f"bench-{secrets.token_hex(4)}", "BENCH_MESSAGES": str(NAIVE_EVENTS),
            "BENCH_FOLDER": str(folder / "faust"),
        }  # fmt: skip
        messages, cpu_s = await rounds.naive("ingest", environ)
    say(
        f"  naive faust agent: {messages / cpu_s:,.0f} events/CPU-s ({messages:,} messages, {cpu_s:.2f} CPU-s)"
    )
    return messages / cpu_s
