"""live_subscribers and live_latency: what 500 live streams cost of which 50 read nothing, and how soon a point is told.

Seconds, bytes, and shares of one core. The readers run in this process, so that only the query process is measured. A
frozen reader that is cut off is opened again. One try whose point is never told makes the figure of latency invalid.
"""

import asyncio
import hashlib
import random
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiohttp import ClientTimeout

from bench import feed, stand
from bench.figure import Invalid, Line, percentile, say
from deploy.local.stack import Stack
from services.gateway.query.page.live.hub import MAX_OF_KEY
from shared.runtime.clock import monotonic_s, now_ms

SUBSCRIBERS, FROZEN = 500, 50
WATCHED_S, SETTLE_S = 30.0, 10.0
TRIES, SEEN_S = 60, 20.0
SHARE, BYTES, GAP_S = 0.10, 64 << 10, 1.1
GOAL_P50_S, GOAL_P99_S = 0.6, 1.2
METRIC = "api.response_seconds"
ROWS, EVERY_S = 50, 0.1
VIEW = "/v1/live?view=overview"
ASKED = {
    "from": "now-10m",
    "questions": [{"metric": "bench.live", "aggregates": ["count"], "resolution": "10s"}],
}
ALONE = {"q": orjson.dumps(ASKED).decode()}

_KEY = "INSERT INTO api_key (key_hash, tenant_id, scope, prefix) VALUES ($1, $2, 'read', 'bench')"


@dataclass(slots=True)
class Gaps:
    """When frames came to one reader."""

    last_s: float = 0.0
    widest_s: float = 0.0
    frames: int = 0

    def note(self) -> None:
        """One has come."""
        now = monotonic_s()
        if self.last_s:
            self.widest_s = max(self.widest_s, now - self.last_s)
        self.last_s, self.frames = now, self.frames + 1

    def begin(self) -> None:
        """Forget the gaps so far."""
        self.widest_s, self.frames = 0.0, 0


@dataclass(slots=True)
class Readers:
    """All streams that are open."""

    port: int
    keys: list[str]
    gaps: list[Gaps] = field(default_factory=list)
    cut: int = 0
    """Frozen ones that were cut off."""

    async def read(self, place: int) -> None:
        """Read for ever."""
        gaps = Gaps()
        self.gaps.append(gaps)
        reader, _ = await self._open(place)
        status = await reader.readline()
        if b" 200 " not in status:
            raise Invalid(
                f"a reader was answered {status.decode().strip()}: {(await reader.read(1000)).decode()}"
            )
        while line := await reader.readline():
            if line.startswith(b"event: "):
                if line == b"event: bye\n":
                    break
                gaps.note()
        raise Invalid("a stream of a reader has ended")

    async def freeze(self, place: int) -> None:
        """Ask, read nothing, and ask again when it is cut off."""
        while True:
            reader, writer = await self._open(place, 4096)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            with suppress(ConnectionError):
                while not ended.is_set():
                    await asyncio.sleep(1)
                    writer.write(b"")
                    if writer.is_closing() or await loop.run_in_executor(None, _is_reset, writer):
                        ended.set()
            self.cut += 1
            writer.transport.abort()
            del reader

    async def _open(self, place: int, window: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = socket.socket()
        if window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=made, limit=1 << 22)
        key = self.keys[place // MAX_OF_KEY]
        writer.write(f"GET {VIEW} HTTP/1.1\r\nhost: bench\r\nx-api-key: {key}\r\n\r\n".encode())
        return reader, writer


def _is_reset(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side has cut it off."""
    state = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return bool(state[0] != 1)


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """Both lines."""
    async with stand.room(stack, folder) as room:
        keys = await _keys(room)
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            running.enter_context(stand.started(["services.aggregator"], folder, room.environ))
            process, query_port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            async with feed.client(port, room.key) as session:
                sent = feed.Sent()
                load = asyncio.create_task(
                    feed.steady(session, feed.Stream(feed.POINTS, bodies(), ROWS, EVERY_S), sent)
                )
                await asyncio.sleep(SETTLE_S)
                tries = await _tries(session, Readers(query_port, keys))
                line = await _subscribed(process, Readers(query_port, keys))
                await feed.end(load)
    return [line, _latency(tries)]


async def _keys(room: stand.Room) -> list[str]:
    keys = [f"bench-{place}" for place in range(-(-SUBSCRIBERS // MAX_OF_KEY))]
    connection = await asyncpg.connect(room.postgres)
    try:
        for key in keys:
            await connection.execute(_KEY, hashlib.sha256(key.encode()).digest(), room.tenant_id)
    finally:
        await connection.close()
    return keys


def bodies() -> list[bytes]:
    """Responses of 20 routes; without times, which the gateway gives them."""
    chance = random.Random(7)
    return [
        orjson.dumps({"points": [
            {"name": METRIC, "value": chance.random(), "kind": "delta", "unit": "s",
             "labels": {"endpoint": f"/r{chance.randrange(20)}", "method": "GET", "status": "200"}}
            for _ in range(ROWS)
        ]})
        for _ in range(20)
    ]  # fmt: skip


async def _subscribed(process: stand.Process, readers: Readers) -> Line:
    """What the streams cost beside the same load without any."""
    before_s, began_s, idle_bytes = process.cpu_s(), monotonic_s(), process.resident_bytes()
    await asyncio.sleep(WATCHED_S)
    alone = (process.cpu_s() - before_s) / (monotonic_s() - began_s)
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(readers.read(place)) for place in range(SUBSCRIBERS - FROZEN)]
        reading += [
            group.create_task(readers.freeze(place)) for place in range(SUBSCRIBERS - FROZEN, SUBSCRIBERS)
        ]
        await asyncio.sleep(SETTLE_S)
        for each in readers.gaps:
            each.begin()
        before_s, began_s = process.cpu_s(), monotonic_s()
        await asyncio.sleep(WATCHED_S)
        share = (process.cpu_s() - before_s) / (monotonic_s() - began_s)
        each_bytes = (process.resident_bytes() - idle_bytes) / SUBSCRIBERS
        for task in reading:
            task.cancel()
    widest = [one.widest_s for one in readers.gaps]
    frames = [one.frames for one in readers.gaps]
    say(f"  {share:.3f} of a core ({alone:.3f} without), {each_bytes:,.0f} B each, gaps {max(widest):.2f} s")
    reached = (
        share - alone <= SHARE and each_bytes <= BYTES and max(widest) <= GAP_S and readers.cut >= FROZEN
    )
    return Line(
        "live_subscribers", round(share - alone, 3), "cores", None, None,
        f"<= {SHARE:g} cores, <= {BYTES} B each, gaps <= {GAP_S:g} s, all frozen cut off", reached, None,
        {"subscribers": SUBSCRIBERS, "frozen": FROZEN, "cores": round(share, 3), "cores_without": round(alone, 3),
         "bytes_each": round(each_bytes), "widest_gap_s": round(max(widest), 3),
         "gap_p50_s": round(percentile(widest, 0.5), 3), "frames_least": min(frames), "frozen_cut_off": readers.cut},
    )  # fmt: skip


async def _tries(session: Any, readers: Readers) -> list[float]:
    """From each POST to the frame that has its point; one after the other, at random moments."""
    chance, counts, found = random.Random(7), dict[int, float](), list[float]()
    watching = feed.client(readers.port, readers.keys[0])
    wanted, posted_s, limit = 0, 0.0, ClientTimeout(TRIES * SEEN_S)
    async with (
        watching,
        watching.get("/v1/live", params=ALONE, timeout=limit, raise_for_status=True) as answer,
    ):
        async for line in answer.content:
            if line.startswith(b"data: "):
                _take(counts, orjson.loads(line[6:]))
            if wanted and sum(counts.values()) >= wanted:
                found.append(monotonic_s() - posted_s)
                if wanted == TRIES + 1:
                    break
                await asyncio.sleep(chance.random() * 1.5)
            if not wanted or sum(counts.values()) >= wanted:
                wanted, posted_s = wanted + 1, monotonic_s()
                point = {"name": "bench.live", "value": 1, "kind": "delta", "ts": now_ms()}
                if await feed.post(session, orjson.dumps({"points": [point]})) != 202:
                    raise Invalid("a point was refused")
    if len(found) <= TRIES:
        raise Invalid(f"{len(found)} points were told, of {TRIES + 1}")
    return found[1:]  # the first one waits until the metric is known


def _take(counts: dict[int, float], event: dict[str, Any]) -> None:
    """Put the windows of an event in."""
    (result,) = event["answer"]["results"]
    if "error" not in result:
        for start, count in zip(result["start_ms"], result["series"][0]["values"]["count"], strict=True):
            counts[start] = count or 0.0


def _latency(tries: list[float]) -> Line:
    p50, p99 = percentile(tries, 0.5), percentile(tries, 0.99)
    return Line(
        "live_latency", round(p99, 3), "s", None, None, f"p50 <= {GOAL_P50_S:g}, p99 <= {GOAL_P99_S:g}",
        p50 <= GOAL_P50_S and p99 <= GOAL_P99_S, [round(min(tries), 3), round(max(tries), 3)],
        {"tries": len(tries), "p50": round(p50, 3), "p99": round(p99, 3)},
    )  # fmt: skip
