"""hostile_sockets and noisy_tenant: how long POSTs of a good tenant take while others do what they may not.

Milliseconds from the time that a request was due to its answer, 50 requests of 100 points a second, in rounds without
and with the disturbance in turn; it comes from a process of its own. A good POST that is refused misses the goal.
"""

import asyncio
import functools
import hashlib
import json
import secrets
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import asyncpg

from bench import attack, feed, stand
from bench.figure import PAIRS, Invalid, Line, rounded, say
from bench.reads_beside_posts import Posted, posted
from deploy.local.stack import Stack

ROUND_S, WARM_S = 20, 3
MOST_RATIO = 2.0

Attack = Callable[[stand.Room, int], Awaitable[list[str]]]
"""What `bench.attack` is to be told beside the port and the seconds."""


async def measure_sockets(stack: Stack, folder: Path) -> list[Line]:
    """The line of sockets that say nothing."""

    async def words(_room: stand.Room, _port: int) -> list[str]:
        return []

    return await _measure(stack, folder, "hostile_sockets", "sockets", words)


async def measure_tenant(stack: Stack, folder: Path) -> list[Line]:
    """The line of the noisy tenant."""

    async def words(room: stand.Room, _port: int) -> list[str]:
        return [await _noisy(room.postgres)]

    return await _measure(stack, folder, "noisy_tenant", "tenant", words)


async def _noisy(dsn: str) -> str:
    """The key of a tenant with a small quota."""
    key = secrets.token_urlsafe(24)
    connection = await asyncpg.connect(dsn)
    try:
        tenant_id = await connection.fetchval(
            "INSERT INTO tenant (name, points_per_s, points_burst) VALUES ('noisy', $1, $1) RETURNING tenant_id",
            float(attack.QUOTA),
        )
        await connection.execute(
            "INSERT INTO api_key (key_hash, tenant_id, scope, prefix) VALUES ($1, $2, 'write', 'noisy')",
            hashlib.sha256(key.encode()).digest(),
            tenant_id,
        )
    finally:
        await connection.close()
    return key


async def _measure(stack: Stack, folder: Path, figure: str, kind: str, words: Attack) -> list[Line]:
    alone, beside, counts = list[Posted](), list[Posted](), Counter[str]()
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            more = await words(room, port)
            async with feed.client(port, room.key) as session:
                await posted(session, WARM_S)
                for _ in range(PAIRS):
                    alone.append(await posted(session, ROUND_S))
                    attacking = asyncio.create_task(_attack(kind, port, more))
                    beside.append(await posted(session, ROUND_S))
                    counts.update(await attacking)
    if any(each.refused for each in alone):
        raise Invalid("POSTs were refused without a disturbance")
    return [_line(figure, alone, beside, counts)]


async def _attack(kind: str, port: int, more: list[str]) -> dict[str, int]:
    """Attack for a round and a second; what became of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.attack", kind, str(port), str(ROUND_S + 1), *more,
        stdout=asyncio.subprocess.PIPE, cwd=stand.ROOT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    if process.returncode:
        raise Invalid(f"the attack ended with {process.returncode}")
    return dict(json.loads(printed))


def _line(figure: str, alone: list[Posted], beside: list[Posted], counts: Counter[str]) -> Line:
    for without, with_ in zip(alone, beside, strict=True):
        say(f"  p99 {without.p99_ms:.1f} ms, disturbed {with_.p99_ms:.1f} ms, {with_.refused} refused")
    say(f"  the others: {dict(counts)}")
    ratio = statistics.median(
        with_.p99_ms / without.p99_ms for without, with_ in zip(alone, beside, strict=True)
    )
    p99_ms = [each.p99_ms for each in beside]
    refused = sum(each.refused for each in beside)
    middle = functools.partial(map, lambda each: each.took_ms)
    conditions = {
        "naive_means": "the same without the disturbance", "pairs": len(alone), "refused": refused,
        "p50_ms": round(statistics.median(chain.from_iterable(middle(beside))), 1),
        "naive_p50_ms": round(statistics.median(chain.from_iterable(middle(alone))), 1),
        "others": dict(counts),
    }  # fmt: skip
    return Line(
        figure, round(statistics.median(p99_ms), 1), "ms", round(statistics.median(each.p99_ms for each in alone), 1),
        round(ratio, 2), f"ratio <= {MOST_RATIO:g}, refused = 0", ratio <= MOST_RATIO and not refused,
        rounded(p99_ms), conditions,
    )  # fmt: skip
