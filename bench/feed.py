"""A steady stream of points to a gateway, paced by the clock, with fresh times in every body.

Milliseconds UTC. The law: what the gateway refuses or answers too late is counted, never dropped in silence.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import orjson

from bench import traffic
from bench.figure import Invalid
from shared.runtime.clock import monotonic_s, now_ms

_MARK = b"1234567890123"
_PATH = "/v1/telemetry"


@dataclass(slots=True)
class Tally:
    """What became of the requests."""

    accepted: int = 0
    """Points."""
    refused: int = 0
    """Requests."""
    behind_s: float = 0.0
    """The most that a request was sent later than planned."""


def client(port: int, key: str) -> aiohttp.ClientSession:
    """A session with the tenant's key; requests go to paths."""
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(total=30),
        connector=aiohttp.TCPConnector(limit=64),
    )


async def post(session: aiohttp.ClientSession, body: bytes) -> int:
    """Post a body; the status."""
    async with session.post(_PATH, data=body) as answer:
        await answer.read()
        return answer.status


def templates(series: int, points: int, count: int) -> list[bytes]:
    """Bodies with a mark where the time belongs; together they go round all series."""
    pool, chance = traffic.pool(series), random.Random(5)
    bodies = []
    for number in range(count):
        chosen = [pool[(number * points + at) % series] for at in range(points)]
        rows = [
            {"name": name, "ts": int(_MARK), "value": round(chance.lognormvariate(3, 1), 4), "labels": labels}
            for name, labels in chosen
        ]
        bodies.append(orjson.dumps({"points": rows}))
    return bodies


async def steady(
    session: aiohttp.ClientSession, bodies: list[bytes], *, points: int, every_s: float, tally: Tally
) -> None:
    """Post one body each `every_s` until cancelled; then wait for the answers that are due."""
    running: set[asyncio.Task[None]] = set()

    async def one(body: bytes) -> None:
        try:
            status = await post(session, body.replace(_MARK, str(now_ms()).encode()))
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        tally.accepted += points if status == 202 else 0
        tally.refused += status != 202

    due_s, number = monotonic_s(), 0
    try:
        while True:
            task = asyncio.create_task(one(bodies[number % len(bodies)]))
            running.add(task)
            task.add_done_callback(running.discard)
            due_s, number = due_s + every_s, number + 1
            tally.behind_s = max(tally.behind_s, monotonic_s() - due_s)
            await asyncio.sleep(max(0.0, due_s - monotonic_s()))
    finally:
        await asyncio.gather(*running)


async def end(sending: asyncio.Task[None]) -> None:
    """End a steady stream, its last answers included."""
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending


def check(tally: Tally, wanted: float) -> None:
    """`Invalid` when points were refused, or fewer than nine tenths of what was wanted went in."""
    if tally.refused or tally.accepted < 0.9 * wanted:
        raise Invalid(
            f"{tally.refused} requests refused, {tally.accepted:,} of {wanted:,.0f} points accepted"
        )
