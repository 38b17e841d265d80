"""gateway_100, gateway_1000, gateway_events_100: points or events per CPU-second of the gateway, from POST to ack.

Ours and the naive peer run beside each other on one broker and take the same bodies in turn. A round counts what
reached the log and the CPU until the process was idle again. Any answer but 202 makes it invalid.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import log, stand, traffic, wrk
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
        "events", "/v1/events", EVENTS, "events", traffic.write_events, log.events_between, 100, 64, 5.0
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
            ours, naive = await _ours(room, running, signal), await _naive(room, running, signal)
            for side in (ours, naive):
                await _round(room, side, signal, WARM_S, 0)
            rounds: dict[str, list[tuple[float, wrk.Sent]]] = {ours.name: [], naive.name: []}
            for number in range(1, PAIRS + 1):
                for side in (ours, naive):
                    rounds[side.name].append(await _round(room, side, signal, ROUND_S, number))
    own, other = rounds[ours.name], rounds[naive.name]
    conditions = {
        f"{signal.name}_a_request": signal.rows,
        "connections": CONNECTIONS,
        "partitions": DEFAULT_PARTITIONS,
    }
    return [
        compared(
            figure, [rate for rate, _ in own], [rate for rate, _ in other], goals=(signal.goal, 0.0),
            unit=f"{signal.name}/CPU-s",
            latency_ms={"p50": own[-1][1].p50_ms, "p99": own[-1][1].p99_ms},
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
            sides.append((room, await _ours(room, running, signal)))
        for room, side in sides:
            await _round(room, side, signal, WARM_S, 0)
        rates: list[list[float]] = [[] for _ in builds]
        for number in range(1, pairs + 1):
            for (room, side), own in zip(sides, rates, strict=True):
                own.append((await _round(room, side, signal, ROUND_S, number))[0])
    return rates


async def _ours(room: stand.Room, running: ExitStack, signal: Signal) -> Side:
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


async def _round(
    room: stand.Room, side: Side, signal: Signal, seconds: int, number: int
) -> tuple[float, wrk.Sent]:
    bodies = room.folder / f"bodies-{signal.name}-{signal.rows}"
    size = signal.write(bodies, signal.rows, signal.bodies, number)
    cpu_s = await side.process.settled_cpu_s()
    begin = await log.ends(room.stack.kafka, side.topic, DEFAULT_PARTITIONS)
    sent = await wrk.drive(
        side.port, room.key, bodies, path=signal.path, connections=CONNECTIONS, seconds=seconds
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
