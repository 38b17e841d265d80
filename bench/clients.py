"""clients_10k: 10,000 connections that stay open, each of which posts a point, is answered, and rests for a second.

Milliseconds and bytes. A refusal, or a connection that breaks, makes the figure invalid. `value` is the p99 of the time
from a POST to its answer; the peak of the gateway's resident memory stands beside it.
"""

import asyncio
import json
import os
import resource
from contextlib import ExitStack
from pathlib import Path

from bench import stand, wrk
from bench.figure import Invalid, Line, say
from deploy.local.stack import Stack

CLIENTS, SECONDS, WARM_S = 10_000, 30, 10
SCRIPT = Path(__file__).with_name("clients.lua")
BODY = b'{"points":[{"name":"queue.depth","value":12.5,"labels":{"service":"checkout"}}]}'
LOOK_S = 0.5
BROKEN = ("connect", "read", "write", "timeout")
"""How a connection may break."""
SETTINGS = {
    "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": str(CLIENTS),
    # All are one tenant here, which may have three quarters of this under way.
    "GATEWAY_MAX_REQUESTS": str(2 * CLIENTS),
    "GATEWAY_INFLIGHT_BYTES": str(256 << 20),
    "GATEWAY_MAX_TURN_WAIT_MS": "10000",
}


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < CLIENTS + 500:
        raise Invalid(f"{hard} files may be open, of {CLIENTS + 500} that are needed: raise the hard limit")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            process, port = await stand.gateway(running, room, **SETTINGS)
            idle = process.resident_bytes()
            await _clients(room, port, WARM_S)
            begin_s = process.cpu_s()
            seen = [idle]
            watching = asyncio.create_task(_peak(process, seen))
            said = await _clients(room, port, SECONDS)
            watching.cancel()
            cpu_s = process.cpu_s() - begin_s
    return [_line(said, max(seen), idle, cpu_s)]


async def _clients(room: stand.Room, port: int, seconds: int) -> dict[str, float]:
    """What the load generator says."""
    body = room.folder / "client.body"
    body.write_bytes(BODY)
    environ = {**os.environ, "BENCH_BODY": str(body), "BENCH_KEY": room.key}
    process = await asyncio.create_subprocess_exec(
        wrk.find(), "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "20s", "-s", str(SCRIPT),
        f"http://127.0.0.1:{port}/v1/telemetry", env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = (await process.communicate())[0].decode(errors="replace")
    last = printed.strip().rpartition("\n")[2]
    if process.returncode or not last.startswith("{"):
        raise Invalid(f"wrk failed: {printed[-500:]}")
    said: dict[str, float] = json.loads(last)
    broken = {kind: said[kind] for kind in BROKEN if said[kind]}
    if said["refused"] or broken:
        raise Invalid(f"{said['refused']} refused ({said['first']}), broken connections: {broken or 'none'}")
    return said


async def _peak(process: stand.Process, seen: list[int]) -> None:
    """Note the resident memory until cancelled."""
    while True:
        seen.append(process.resident_bytes())
        await asyncio.sleep(LOOK_S)


def _line(said: dict[str, float], peak: int, idle: int, cpu_s: float) -> Line:
    say(
        f"  {said['requests']:.0f} posts, p50 {said['p50_ms']:.0f} ms, p99 {said['p99_ms']:.0f} ms, {peak >> 20} MiB"
    )
    conditions = {
        "naive_means": "there is none", "connections": CLIENTS, "seconds": said["seconds"],
        "requests": said["requests"], "requests_per_s": round(said["requests"] / said["seconds"]),
        "p50_ms": round(said["p50_ms"], 1), "peak_mib": peak >> 20, "idle_mib": idle >> 20,
        "kib_a_client": round((peak - idle) / CLIENTS / 1024, 1),
        "cpu_share": round(cpu_s / said["seconds"], 2), "refused": 0,
    }  # fmt: skip
    return Line("clients_10k", round(said["p99_ms"], 1), "ms", None, None, "no error", True, None, conditions)
