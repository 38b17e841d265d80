"""The points that are sent: a pool of series with five labels, about 183 bytes a point as JSON, values lognormal.

Milliseconds. The law: the same bodies go to ours and to the naive peer, and every answer but 202 is counted.
"""

import asyncio
import json
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Invalid
from shared.runtime.clock import now_ms

SCRIPT = Path(__file__).with_name("wrk.lua")

_NAMES = (
    "http.server.duration", "http.server.request.size", "db.client.duration", "queue.depth", "cache.hit",
    "app.screen.load", "ui.frame.time", "checkout.amount",
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "DELETE")
_STATUS = ("200", "201", "304", "400", "404", "500")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the load generator says of one run."""

    requests: int
    refused: int
    p50_ms: float
    p99_ms: float


def pool(size: int, seed: int = 1) -> list[tuple[str, dict[str, str]]]:
    """Distinct series: metric and labels."""
    chance = random.Random(seed)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    while len(found) < size:
        labels = {
            "service": f"svc-{chance.randrange(20):02d}",
            "host": f"host-{chance.randrange(50):03d}.eu-west-1",
            "route": f"/api/v1/resource{chance.randrange(30)}/{{id}}",
            "method": chance.choice(_METHODS),
            "status": chance.choice(_STATUS),
        }
        name = chance.choice(_NAMES)
        found[name + str(labels)] = (name, labels)
    return list(found.values())


def body(series: list[tuple[str, dict[str, str]]], points: int, chance: random.Random) -> bytes:
    """One request's body: points of random series, at times of the last second."""
    now = now_ms()
    rows = []
    for _ in range(points):
        name, labels = chance.choice(series)
        value = round(chance.lognormvariate(3, 1), 4)
        rows.append({"name": name, "ts": now - chance.randrange(1000), "value": value, "labels": labels})
    return json.dumps({"points": rows}, separators=(",", ":")).encode()


def write_bodies(folder: Path, points: int, count: int, seed: int) -> int:
    """Write `count` bodies for the load generator; the bytes of a point."""
    chance, series = random.Random(seed), pool(500)
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(1, count + 1):
        content = body(series, points, chance)
        (folder / f"{number}.json").write_bytes(content)
        size += len(content)
    return round(size / points / count)


def find_wrk() -> str:
    """The load generator; it is not among the Python packages."""
    if found := shutil.which("wrk"):
        return found
    raise Invalid(
        "wrk is not installed: apt-get install -y --no-install-recommends wrk (or brew install wrk)"
    )


async def drive(port: int, key: str, bodies: Path, *, connections: int, seconds: int) -> Sent:
    """Post the bodies in turn for so long, as fast as they are answered."""
    environ = {**os.environ, "BENCH_BODIES": str(bodies), "BENCH_KEY": key}
    process = await asyncio.create_subprocess_exec(
        find_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(SCRIPT),
        f"http://127.0.0.1:{port}/v1/telemetry", env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = (await process.communicate())[0].decode(errors="replace")
    last = printed.strip().rpartition("\n")[2]
    if process.returncode or not last.startswith("{"):
        raise Invalid(f"wrk failed: {printed[-500:]}")
    told = json.loads(last)
    if told["refused"] or told["broken"]:
        raise Invalid(
            f"{told['refused']} answers but 202 (first: {told['first']}), {told['broken']} without answer"
        )
    return Sent(told["requests"], told["refused"], told["p50_ms"], told["p99_ms"])
