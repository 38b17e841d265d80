"""gateway_100 and gateway_1000: points per CPU-second of the gateway process, from POST to the broker's ack.

Ours and the naive peer run beside each other on one broker and take the same bodies in turn. A round counts the
points that reached the log and the CPU until the process was idle again. Any answer but 202 makes it invalid.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import log, stand, traffic, wrk
from bench.figure import PAIRS, Invalid, Line, compared, say
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS

WARM_S = 3
ROUND_S = 5
CONNECTIONS = 32
BODIES = {100: 64, 1000: 24}
GOALS = {100: 6.0, 1000: 20.0}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two gateways, running."""

    name: str
    process: stand.Process
    port: int
    topic: str
    count: Callable[[dict[int, int], dict[int, int]], Awaitable[int]]
    """How many points lie between two places of its topic."""


async def measure(stack: Stack, folder: Path, points: int) -> list[Line]:
    """The line at so many points a request."""
    wrk.find()
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            ours, naive = await _ours(room, running), await _naive(room, running)
            for side in (ours, naive):
                await _round(room, side, points, WARM_S, 0)
            rounds: dict[str, list[tuple[float, wrk.Sent]]] = {ours.name: [], naive.name: []}
            for number in range(1, PAIRS + 1):
                for side in (ours, naive):
                    rounds[side.name].append(await _round(room, side, points, ROUND_S, number))
    own, other = rounds[ours.name], rounds[naive.name]
    return [
        compared(
            f"gateway_{points}", [rate for rate, _ in own], [rate for rate, _ in other], goals=(GOALS[points], 0.0),
            points_a_request=points, connections=CONNECTIONS, series=500, partitions=DEFAULT_PARTITIONS,
            latency_ms={"p50": own[-1][1].p50_ms, "p99": own[-1][1].p99_ms},
            naive_latency_ms={"p50": other[-1][1].p50_ms, "p99": other[-1][1].p99_ms},
        )
    ]  # fmt: skip


async def _ours(room: stand.Room, running: ExitStack) -> Side:
    port, topic, kafka = stand.free_port(), room.prefix + METRICS.name, room.stack.kafka
    environ = {**room.environ, "GATEWAY_PORT": str(port)}
    process = running.enter_context(stand.started(["services.gateway"], room.folder, environ))
    await stand.until_ready(process, port)

    async def count(begin: dict[int, int], end: dict[int, int]) -> int:
        return await log.points_between(kafka, topic, begin, end)

    return Side("ours", process, port, topic, count)


async def _naive(room: stand.Room, running: ExitStack) -> Side:
    port, topic = stand.free_port(), await room.add_topic("naive", DEFAULT_PARTITIONS)
    environ = {"BENCH_KAFKA": room.stack.kafka, "BENCH_TOPIC": topic}
    command = [
        "uvicorn",
        "bench.naive.gateway:app",
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
    room: stand.Room, side: Side, points: int, seconds: int, number: int
) -> tuple[float, wrk.Sent]:
    bodies = room.folder / f"bodies-{points}"
    size = traffic.write_bodies(bodies, points, BODIES[points], seed=number)
    cpu_s = await side.process.settled_cpu_s()
    begin = await log.ends(room.stack.kafka, side.topic, DEFAULT_PARTITIONS)
    sent = await wrk.drive(side.port, room.key, bodies, connections=CONNECTIONS, seconds=seconds)
    used_s = await side.process.settled_cpu_s() - cpu_s
    logged = await side.count(begin, await log.ends(room.stack.kafka, side.topic, DEFAULT_PARTITIONS))
    if logged < sent.requests * points:
        raise Invalid(f"{side.name}: {sent.requests * points} points acknowledged, {logged} in the log")
    say(
        f"  {side.name:5} {points} points a request, {size} B each: {logged / used_s:,.0f} points/CPU-s "
        f"({logged:,} points, {used_s:.2f} CPU-s; p50 {sent.p50_ms:.0f} ms, p99 {sent.p99_ms:.0f} ms)"
    )
    return logged / used_s, sent
