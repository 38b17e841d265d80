"""gateway_*, remote_write_1000, and figures of SDKs: what a CPU-second of the gateway takes in beside a naive peer.

Ours and the naive peer run beside each other on one broker and take the same bodies in turn. A round counts what
reached the log and the CPU until the process was idle again. Any answer but 2xx makes it invalid.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import log, rounds, sdk_load, stand, traffic, wrk
from bench.figure import PAIRS, Invalid, Line, compared, say
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS, EVENTS, METRICS, Topic
from tests.support.processes.builds import Build

WARM_S = 3
ROUND_S = 5
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Signal:
    """What is posted, where, and how much better than the naive peer we mean to be."""

    name: str
    path: str
    topic: Topic
    naive: str
    """Module of the peer."""
    write: Callable[[Path, int, int, int], int]
    """Writes bodies: folder, how many a body, bodies, seed; the bytes of one."""
    between: Callable[[str, str, dict[int, int], dict[int, int]], Awaitable[int]]
    """How many lie between two places of our topic: Kafka, topic, begin, end."""
    rows: int
    """Points or events a request."""
    bodies: int
    goal: float
    headers: Mapping[str, str] = field(default_factory=lambda: wrk.JSON)


ENVELOPE = "/api/1/envelope/"

SIGNALS = {
    "gateway_100": Signal(
        "points", "/v1/telemetry", METRICS, "gateway", traffic.write_bodies, log.points_between, 100, 64, 6.0
    ),
    "gateway_1000": Signal(
        "points",
        "/v1/telemetry",
        METRICS,
        "gateway",
        traffic.write_bodies,
        log.points_between,
        1000,
        24,
        20.0,
    ),
    "gateway_events_100": Signal(
        "events", "/v1/events", EVENTS, "events", traffic.write_events, log.events_between, 100, 64, 12.0
    ),
    "remote_write_1000": Signal(
        "points",
        "/api/v1/write",
        METRICS,
        "remote_write",
        traffic.write_remote,
        log.points_between,
        1000,
        24,
        10.0,
        {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
    ),
    "faro_50": Signal(
        "events", "/collect/{key}", EVENTS, "faro", sdk_load.write_faro, log.events_between, 50, 64, 1.0
    ),
    "sentry_error": Signal(
        "events", ENVELOPE, EVENTS, "sentry", sdk_load.write_sentry_errors, log.events_between, 1, 64, 1.0
    ),
    "sentry_logs_100": Signal(
        "events", ENVELOPE, EVENTS, "sentry", sdk_load.write_sentry_logs, log.events_between, 100, 64, 1.0
    ),
    "posthog_50": Signal(
        "events", "/batch/", EVENTS, "posthog", sdk_load.write_posthog, log.events_between, 50, 64, 1.0
    ),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two gateways, running."""

    name: str
    process: stand.Process
    port: int
    topic: str
    count: Callable[[dict[int, int], dict[int, int]], Awaitable[int]]
    """How many points lie between two places of its topic."""


async def measure(stack: Stack, folder: Path, figure: str) -> list[Line]:
    """The line of one figure."""
    signal = SIGNALS[figure]
    wrk.find()
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            own, naive = await ours(room, running, signal), await _naive(room, running, signal)
            for side in (own, naive):
                await measured(room, side, signal, WARM_S, 0)
            rounds: dict[str, list[tuple[float, wrk.Sent]]] = {own.name: [], naive.name: []}
            for number in range(1, PAIRS + 1):
                for side in (own, naive):
                    rounds[side.name].append(await measured(room, side, signal, ROUND_S, number))
    taken, other = rounds[own.name], rounds[naive.name]
    conditions = {
        f"{signal.name}_a_request": signal.rows,
        "connections": CONNECTIONS,
        "partitions": DEFAULT_PARTITIONS,
    }
    return [
        compared(
            figure, [rate for rate, _ in taken], [rate for rate, _ in other], goals=(signal.goal, 0.0),
            unit=f"{signal.name}/CPU-s",
            latency_ms={"p50": taken[-1][1].p50_ms, "p99": taken[-1][1].p99_ms},
            naive_latency_ms={"p50": other[-1][1].p50_ms, "p99": other[-1][1].p99_ms},
            **conditions,
        )
    ]  # fmt: skip


async def in_turn(
    stack: Stack, folder: Path, figure: str, builds: Sequence[Build], pairs: int
) -> list[list[float]]:
    """The rates of each build, a round of each in turn; all take the same bodies, on the same servers."""
    signal = SIGNALS[figure]
    async with AsyncExitStack() as rooms:
        running = rooms.enter_context(ExitStack())
        sides = []
        for build in builds:
            room = await rooms.enter_async_context(stand.room(stack, folder, build=build))
            sides.append((room, await ours(room, running, signal)))

        async def one(room: stand.Room, side: Side, number: int) -> float:
            return (await measured(room, side, signal, ROUND_S if number else WARM_S, number))[0]

        return await rounds.in_turn([functools.partial(one, room, side) for room, side in sides], pairs)


async def ours(room: stand.Room, running: ExitStack, signal: Signal) -> Side:
    """Our gateway."""
    topic, kafka = room.prefix + signal.topic.name, room.stack.kafka
    process, port = await stand.gateway(running, room)

    async def count(begin: dict[int, int], end: dict[int, int]) -> int:
        return await signal.between(kafka, topic, begin, end)

    return Side(room.build.commit[:7] or "ours", process, port, topic, count)


async def _naive(room: stand.Room, running: ExitStack, signal: Signal) -> Side:
    port, topic = stand.free_port(), await room.add_topic("naive", DEFAULT_PARTITIONS)
    environ = {"BENCH_KAFKA": room.stack.kafka, "BENCH_TOPIC": topic}
    command = [
        "uvicorn",
        f"bench.naive.{signal.naive}:app",
        "--port",
        str(port),
        "--no-access-log",
        "--log-level",
        "error",
    ]
    command += ["--loop", "uvloop", "--http", "httptools"]
    process = running.enter_context(stand.started(command, room.folder, environ))
    await stand.until_ready(process, port)

    async def count(begin: dict[int, int], end: dict[int, int]) -> int:
        return sum(end.values()) - sum(begin.values())

    return Side("naive", process, port, topic, count)


async def measured(
    room: stand.Room, side: Side, signal: Signal, seconds: int, number: int
) -> tuple[float, wrk.Sent]:
    """A round: points per CPU-second that its topic holds, and what the load generator says."""
    bodies = room.folder / f"bodies{signal.path.replace('/', '-')}-{signal.rows}"
    size = signal.write(bodies, signal.rows, signal.bodies, number)
    for body in bodies.glob("*.body"):
        body.write_bytes(body.read_bytes().replace(sdk_load.KEY, room.key.encode()))
    cpu_s = await side.process.settled_cpu_s()
    begin = await log.ends(room.stack.kafka, side.topic, DEFAULT_PARTITIONS)
    sent = await wrk.drive(
        side.port,
        room.key,
        bodies,
        path=signal.path.format(key=room.key),
        connections=CONNECTIONS,
        seconds=seconds,
        headers=signal.headers,
    )
    used_s = await side.process.settled_cpu_s() - cpu_s
    logged = await side.count(begin, await log.ends(room.stack.kafka, side.topic, DEFAULT_PARTITIONS))
    posted = sent.requests * signal.rows
    if logged < posted:
        raise Invalid(f"{side.name}: {posted} {signal.name} acknowledged, {logged} in the log")
    say(
        f"  {side.name:7} {signal.rows} {signal.name} a request, {size} B each: {logged / used_s:,.0f} /CPU-s "
        f"({logged:,} in {used_s:.2f} CPU-s; p50 {sent.p50_ms:.0f} ms, p99 {sent.p99_ms:.0f} ms)"
    )
    return logged / used_s, sent
