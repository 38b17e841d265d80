"""reads_beside_posts: how long POSTs of 100 points take while one client reads 10,000 rows with 20 quantiles each.

Milliseconds from the time that a request was due to its answer, 50 requests a second, in rounds without and with the
reader in turn. The reader is a process of its own and asks again as soon as it is answered. A POST that is refused
is counted, and then the goal is not reached, whatever the times are.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
import asyncpg

from bench import feed, log, preload, rounds, stand, wrk
from bench.figure import PAIRS, Invalid, Line, percentile, rounded, say
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s, now_ms
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS

POINTS, REQUESTS_PER_S, ROUND_S, WARM_S = 100, 50, 20, 3
ROWS, QUANTILES = 10_000, 20
AGE_MS = 1_800_000
"""How old the rows are: too old to be live as well, so an answer is read from the tables alone."""

PLAN = preload.Plan(series=10_000, windows=10, points_a_window=10, points_a_message=1000, age_ms=AGE_MS)
"""An eighth of the series have the metric that is read: 12,500 rows, of which an answer holds 10,000."""

METRIC = "queue.depth"
MOST_RATIO = 1.5


class Posted(NamedTuple):
    """What became of the POSTs of a round."""

    took_ms: Sequence[float]
    refused: int

    @property
    def p99_ms(self) -> float:
        """What 99 of 100 do not exceed."""
        return percentile(self.took_ms, 0.99)


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line."""
    async with stand.room(stack, folder) as room:
        await _fill(room)
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            _, query_port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            path = await _question(query_port, room.key)
            async with feed.client(port, room.key) as session:
                await posted(session, WARM_S)
                alone, beside, reads = list[Posted](), list[Posted](), list[int]()
                for _ in range(PAIRS):
                    alone.append(await posted(session, ROUND_S))
                    async with _reading(query_port, room.key, path, reads):
                        beside.append(await posted(session, ROUND_S))
    return [_line(alone, beside, reads)]


async def _fill(room: stand.Room) -> None:
    """Rows of closed windows, made by an aggregator that has ended when this returns."""
    topic = room.prefix + METRICS.name
    await preload.fill(room.stack.kafka, topic, room.tenant_id, PLAN)
    connection = await asyncpg.connect(room.postgres)
    try:
        ends = await log.ends(room.stack.kafka, topic, DEFAULT_PARTITIONS)
        with stand.started(["services.aggregator"], room.folder, room.environ) as process:
            await rounds.consumed(process, connection, topic, ends)
        # What autovacuum does within a minute of such a load: without it the first plans guess.
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _question(port: int, key: str) -> str:
    """The path of the query; `Invalid` unless it is answered as many rows and quantiles as it must be."""
    end_ms = now_ms() - AGE_MS // 2
    asked = [("metric", METRIC), ("from", end_ms - AGE_MS), ("to", end_ms), ("limit", ROWS)]
    asked += [("quantile", f"{number / QUANTILES:g}") for number in range(1, QUANTILES + 1)]
    path, begin_s = f"/v1/windows?{urlencode(asked)}", monotonic_s()
    async with feed.client(port, key) as session, session.get(path) as answer:
        rows = (await answer.json())["windows"] if answer.status == 200 else []
    say(f"  a read of {len(rows):,} rows takes {monotonic_s() - begin_s:.2f} s")
    if len(rows) != ROWS or len(rows[0]["quantiles"]) != QUANTILES:
        raise Invalid(f"answered {answer.status} with {len(rows)} rows")
    return path


@asynccontextmanager
async def _reading(port: int, key: str, path: str, reads: list[int]) -> AsyncIterator[None]:
    """One client that reads without pause as long as the block; how often, is added to `reads`."""
    reading = asyncio.create_task(wrk.read(port, key, path, seconds=ROUND_S + 1))
    try:
        yield
        reads.append(await reading)
    finally:
        reading.cancel()


async def posted(session: aiohttp.ClientSession, seconds: int) -> Posted:
    """What each POST took; a slow answer delays no other request."""
    bodies = feed.templates(500, POINTS, 40)
    stream = feed.Stream(feed.POINTS, bodies, POINTS, 1 / REQUESTS_PER_S)
    begin_s = monotonic_s() + stream.every_s

    async def one(number: int) -> tuple[float, bool]:
        due_s = begin_s + number * stream.every_s
        await asyncio.sleep(due_s - monotonic_s())
        status = await feed.post(session, stream.body(number))
        return (monotonic_s() - due_s) * 1000, status == 202

    took_ms, accepted = zip(*await asyncio.gather(*map(one, range(seconds * REQUESTS_PER_S))), strict=True)
    return Posted(took_ms, accepted.count(False))


def _line(alone: list[Posted], beside: list[Posted], reads: list[int]) -> Line:
    pairs = list(zip(alone, beside, reads, strict=True))
    for without, with_, count in pairs:
        say(
            f"  p99 {without.p99_ms:.1f} ms, with {count} reads {with_.p99_ms:.1f} ms, {with_.refused} refused"
        )
    ratio = statistics.median(with_.p99_ms / without.p99_ms for without, with_, _ in pairs)
    p99_ms = [each.p99_ms for each in beside]
    refused = sum(each.refused for each in beside)
    if any(each.refused for each in alone):
        raise Invalid("POSTs were refused without the reader")
    conditions = {
        "naive_means": "the same without the reader", "pairs": len(pairs), "refused": refused,
        "p50_ms": round(statistics.median(chain.from_iterable(each.took_ms for each in beside)), 1),
        "naive_p50_ms": round(statistics.median(chain.from_iterable(each.took_ms for each in alone)), 1),
        "reads_per_s": round(sum(reads) / len(reads) / ROUND_S, 2),
        "points_a_request": POINTS, "requests_per_s": REQUESTS_PER_S, "rows": ROWS, "quantiles": QUANTILES,
    }  # fmt: skip
    return Line(
        "reads_beside_posts", round(statistics.median(p99_ms), 1), "ms",
        round(statistics.median(each.p99_ms for each in alone), 1), round(ratio, 2),
        f"ratio <= {MOST_RATIO:g}, refused = 0", ratio <= MOST_RATIO and not refused, rounded(p99_ms), conditions,
    )  # fmt: skip
