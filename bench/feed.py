"""A steady stream of points or events to a gateway, paced by the clock, with fresh times and ids in every body.

Milliseconds UTC. Requests that the gateway refuses or answers too late are counted.
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
_ID_MARK = b"0123456789abcdef"

POINTS = "/v1/telemetry"
"""Where points are posted."""

EVENTS = "/v1/events"
"""Where events are posted."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is posted again and again."""

    path: str
    bodies: list[bytes]
    rows: int
    """Points or events of one body."""
    every_s: float
    """Time between two requests."""

    def body(self, number: int) -> bytes:
        """The body of one request, with the present time and ids of its own."""
        body = self.bodies[number % len(self.bodies)]
        return body.replace(_MARK, str(now_ms()).encode()).replace(_ID_MARK, b"%016x" % number)


@dataclass(slots=True)
class Sent:
    """What became of the requests."""

    accepted: int = 0
    """Points or events."""
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


async def post(session: aiohttp.ClientSession, body: bytes, path: str = POINTS) -> int:
    """Post a body; the status."""
    async with session.post(path, data=body) as answer:
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


def event_templates(events: int, count: int) -> list[bytes]:
    """Bodies of events of many sessions, with marks where time and id belong."""
    chance = random.Random(6)
    bodies = []
    for number in range(count):
        rows = [
            {
                "event_id": f"{_ID_MARK.decode()}-{at}",
                "type": chance.choice(("click", "view", "error", "submit")),
                "name": f"button-{chance.randrange(50)}",
                "ts": int(_MARK),
                "session_id": f"session-{number * events + at}",
                "properties": {"page": f"/effects/{chance.randrange(200)}", "width": 1280, "took": 12.5},
            }
            for at in range(events)
        ]
        bodies.append(orjson.dumps({"events": rows}))
    return bodies


async def steady(session: aiohttp.ClientSession, stream: Stream, sent: Sent) -> None:
    """Post one body each `every_s` until cancelled; then wait for the answers that are due."""
    running: set[asyncio.Task[None]] = set()

    async def one(body: bytes) -> None:
        try:
            status = await post(session, body, stream.path)
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        sent.accepted += stream.rows if status == 202 else 0
        sent.refused += status != 202

    due_s, number = monotonic_s(), 0
    try:
        while True:
            task = asyncio.create_task(one(stream.body(number)))
            running.add(task)
            task.add_done_callback(running.discard)
            due_s, number = due_s + stream.every_s, number + 1
            sent.behind_s = max(sent.behind_s, monotonic_s() - due_s)
            await asyncio.sleep(max(0.0, due_s - monotonic_s()))
    finally:
        await asyncio.gather(*running)


async def end(sending: asyncio.Task[None]) -> None:
    """End a steady stream, its last answers included."""
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending


def check(sent: Sent, wanted: float) -> None:
    """`Invalid` when any were refused, or fewer than nine tenths of what was wanted went in."""
    if sent.refused or sent.accepted < 0.9 * wanted:
        raise Invalid(
            f"{sent.refused} requests refused, {sent.accepted:,} of {wanted:,.0f} points or events accepted"
        )
