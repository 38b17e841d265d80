"""remote_write_vmagent: what a CPU-second of the gateway takes in by remote write, beside vmagent.

Both take the same bodies in turn. Ours answers after the ack of all replicas of Kafka; vmagent answers at once and
forwards to a sink. A round counts the points that the log, or the sink, holds.
"""

from contextlib import ExitStack
from pathlib import Path

from bench import gateway, stand, vmagent, wrk
from bench.figure import PAIRS, Line, compared
from bench.gateway import CONNECTIONS, SIGNALS, Side
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS

FIGURE = "remote_write_vmagent"

GOAL = 0.8


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """Its line."""
    signal = SIGNALS["remote_write_1000"]
    wrk.find()
    vmagent.program()
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            sides = [await gateway.ours(room, running, signal), await _vmagent(room, running)]
            for side in sides:
                await gateway.measured(room, side, signal, gateway.WARM_S, 0)
            rates: list[list[float]] = [[], []]
            latency_ms: list[dict[str, float]] = [{}, {}]
            for number in range(1, PAIRS + 1):
                for at, side in enumerate(sides):
                    rate, sent = await gateway.measured(room, side, signal, gateway.ROUND_S, number)
                    rates[at].append(rate)
                    latency_ms[at] = {"p50": sent.p50_ms, "p99": sent.p99_ms}
    return [
        compared(
            FIGURE, *rates, goals=(GOAL, 0.0), peer=f"vmagent {vmagent.VERSION}", latency_ms=latency_ms[0],
            naive_latency_ms=latency_ms[1], points_a_request=signal.rows, connections=CONNECTIONS,
            partitions=DEFAULT_PARTITIONS,
        )
    ]  # fmt: skip


async def _vmagent(room: stand.Room, running: ExitStack) -> Side:
    # The driver looks where a topic ends before it asks how much came: it is of no use here.
    topic, sink = await room.add_topic("vmagent", DEFAULT_PARTITIONS), stand.free_port()
    command = [
        "uvicorn",
        "bench.naive.sink:app",
        "--port",
        str(sink),
        "--no-access-log",
        "--log-level",
        "error",
    ]
    command += ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off"]
    taking = running.enter_context(stand.started(command, room.folder, {}))
    await stand.until_ready(taking, sink)
    process, port = running.enter_context(vmagent.started(room, sink))
    await vmagent.until_ready(process, port)
    counted = [0]

    async def count(_begin: dict[int, int], _end: dict[int, int]) -> int:
        before, counted[0] = counted[0], await vmagent.forwarded(sink)
        return counted[0] - before

    return Side("vmagent", process, port, topic, count)
