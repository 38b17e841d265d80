"""export: rows a second of an export over HTTP, by format, and the memory that it takes of the process that answers.

Rows are windows of a minute of 1,000 series with five labels, sketches left out. A second is one of the clock, for
three processes share the work: Postgres, the query process and the client, which only counts and hashes. Bytes of
memory are resident ones, sampled while exports run. Each file must have all rows and the hash that the gateway kept.
"""

import asyncio
import os
import statistics
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg

from bench import stand
from bench.figure import Invalid, Line, rounded, say
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s

ROWS = int(os.environ.get("BENCH_EXPORT_ROWS", "2_000_000"))
SERIES, ROUNDS = 1_000, 3
FORMATS = ("csv", "jsonl", "parquet", "arrow")
LEAST_ROWS_PER_S, MOST_MIB = 200_000, 150
SAMPLE_S = 0.02

_SERIES = """
INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels)
SELECT n, $1, 'api.response_seconds', 'delta', 's', jsonb_build_object('endpoint', '/api/v1/things/' || n % 200,
    'method', (ARRAY['GET', 'POST'])[1 + n % 2], 'status', (200 + n % 5)::text, 'region', 'eu-' || n % 3,
    'host', 'h-' || n)
FROM generate_series(1, $2::integer) AS n
"""
_WINDOWS = """
INSERT INTO rollup_1m (window_start, series_id, revision, late_count, count, samples, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight)
SELECT date_trunc('minute', now()) - make_interval(mins => minute), series_id, 0, 0, 5, 5, 5 * random(), random(),
    1 + random(), random(), date_trunc('minute', now()) - make_interval(mins => minute - 1), now(), '{}', '{}'
FROM generate_series(1, $1::integer) AS minute, generate_series(1, $2::integer) AS series_id
"""


class Round(NamedTuple):
    """One export."""

    rows_per_s: float
    first_byte_s: float
    bytes: int
    peak_mib: float


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line."""
    async with stand.room(stack, folder) as room:
        await _fill(room)
        with ExitStack() as running:
            process, port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            url, idle_mib = f"http://127.0.0.1:{port}", process.resident_bytes() / (1 << 20)
            async with aiohttp.ClientSession(url, headers={"x-api-key": room.key}) as session:
                found = {
                    name: [await _round(session, process, name) for _ in range(ROUNDS)] for name in FORMATS
                }
    return [_line(found, idle_mib)]


async def _fill(room: stand.Room) -> None:
    """Rows, and what autovacuum does within a minute of them."""
    connection = await asyncpg.connect(room.postgres)
    try:
        await connection.execute(_SERIES, room.tenant_id, SERIES)
        await connection.execute(_WINDOWS, ROWS // SERIES, SERIES)
        await connection.execute("VACUUM ANALYZE rollup_1m")
    finally:
        await connection.close()


async def _round(session: aiohttp.ClientSession, process: stand.Process, name: str) -> Round:
    peaks: list[int] = []
    sampling = asyncio.create_task(_sampled(process, peaks))
    try:
        began_s = monotonic_s()
        body = {"table": "windows", "resolution": "1m", "format": name}
        async with session.post("/v1/exports", json=body) as answer:
            digest, size, first_s = sha256(), 0, 0.0
            async for chunk in answer.content.iter_any():
                first_s = first_s or monotonic_s() - began_s
                digest.update(chunk)
                size += len(chunk)
            took_s = monotonic_s() - began_s
    finally:
        sampling.cancel()
    async with session.get(f"/v1/exports/{answer.headers['tidegauge-export']}") as status:
        said = await status.json()
    if (said["state"], said["rows"], said["sha256"]) != ("complete", ROWS, digest.hexdigest()):
        raise Invalid(f"{name}: {said}")
    found = Round(ROWS / took_s, first_s, size, max(peaks) / (1 << 20))
    sizes = f"{size / ROWS:.0f} B a row, {found.peak_mib:.0f} MiB"
    say(f"  {name}: {found.rows_per_s:,.0f} rows/s, first byte {first_s:.3f} s, {sizes}")
    return found


async def _sampled(process: stand.Process, peaks: list[int]) -> None:
    while True:
        peaks.append(process.resident_bytes())
        await asyncio.sleep(SAMPLE_S)


def _line(found: dict[str, list[Round]], idle_mib: float) -> Line:
    rates = {name: statistics.median(one.rows_per_s for one in rounds) for name, rounds in found.items()}
    peak = max(one.peak_mib for rounds in found.values() for one in rounds)
    slowest = min(rates, key=lambda name: rates[name])
    conditions = {
        "naive_means": "none: the bound is absolute", "slowest": slowest,
        "rows_per_s": {name: round(rate) for name, rate in rates.items()},
        "bytes_a_row": {name: round(rounds[0].bytes / ROWS) for name, rounds in found.items()},
        "first_byte_s": {name: round(max(one.first_byte_s for one in rounds), 3) for name, rounds in found.items()},
        "peak_mib": round(peak), "idle_mib": round(idle_mib), "taken_mib": round(peak - idle_mib),
        "rows": ROWS, "series": SERIES,
    }  # fmt: skip
    return Line(
        "export", round(rates[slowest]), "rows/s", None, None,
        f"value >= {LEAST_ROWS_PER_S:,}, taken_mib <= {MOST_MIB}",
        rates[slowest] >= LEAST_ROWS_PER_S and peak - idle_mib <= MOST_MIB,
        rounded([one.rows_per_s for one in found[slowest]]), conditions,
    )  # fmt: skip
