"""series_million: the memory of a live series-window in one worker that holds a million series in all tiers at once.

Bytes of resident memory, by difference, in a fresh process, with identities, their look-up, cells and sketches. When
memory is measured, every series is in an open window of each tier, and the three windows hold every point.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]  # ships no types

from bench import stand
from bench.figure import Invalid, Line, say
from bench.naive.series import NaiveFold
from deploy.local.stack import Stack
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.domain.windows.cells import Cells
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.series import Series
from shared.model.window import TIERS_MS
from shared.wire import series as wire
from shared.wire.topics import DEFAULT_PARTITIONS

SERIES, NAIVE_SERIES = 1_000_000, 100_000
SERIES_A_MESSAGE, POINTS_A_WINDOW = 200, 5
BEGIN_MS = 1_760_000_400_000
"""Start of a window of every tier."""

PHASES_MS = (53_000, 63_000, 73_000)
"""Points come from here on for 6 s: the first close into 15 minutes, the second into a minute, the third stay open."""

SPAN_MS = 6_000
POINTS = {"ours": 1 + 1 + 1, "naive": 1 + 2 + 3}
"""Phases whose points the three windows of a series hold: a naive coarse window has those of open finer ones too."""

LIMIT_BYTES, LIMIT_S = 300.0, 600.0


async def measure(_stack: Stack, _folder: Path) -> list[Line]:
    """The line; it needs no server."""
    ours, naive = await _weighed("ours", SERIES), await _weighed("naive", NAIVE_SERIES)
    value, peer = ours["bytes"] / ours["windows"], naive["bytes"] / naive["windows"]
    conditions = {
        "computed": "resident memory gained / series-windows open in the three tiers",
        "series": SERIES,
        "series_windows": ours["windows"],
        "entries_a_series_window": round(ours["entries"] / ours["windows"], 2),
        "resident_mib": round(ours["bytes"] / 2**20),
        "peak_mib": round(ours["peak"] / 2**20),
        "bytes_a_series": round(ours["bytes"] / SERIES),
        "bytes_a_series_with_one_window": round(ours["alone"] / SERIES),
        "naive_entries_a_series_window": round(naive["entries"] / naive["windows"], 2),
        "naive_series": NAIVE_SERIES,
        "partitions": DEFAULT_PARTITIONS,
    }
    goal, reached = f"value <= {LIMIT_BYTES:g}", value <= LIMIT_BYTES
    line = Line("series_million", round(value, 1), "bytes/series-window", round(peer, 1), round(peer / value, 1),
                goal, reached, None, conditions)  # fmt: skip
    return [line]


async def _weighed(whose: str, series: int) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.series_million", whose, str(series), cwd=stand.ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        process.kill()
        raise Invalid(f"{whose} did not finish within {LIMIT_S:g} s") from None
    if process.returncode:
        raise Invalid(f"{whose} ended with {process.returncode}")
    printed: dict[str, float] = json.loads(out)
    say(f"  {whose}: {printed}")
    points = series * POINTS_A_WINDOW * POINTS[whose]
    if (printed["windows"], printed["points"]) != (series * len(TIERS_MS), points):
        raise Invalid(f"{whose}: {printed} of {series} series")
    return printed


def _identity(number: int) -> bytes:
    """A series as `traffic` makes them, without keeping it."""
    labels = {
        "host": f"host-{number % 1000:03d}.eu-west-1",
        "method": "GET",
        "route": f"/api/v1/resource{number // 1000:04d}/{{id}}",
        "service": f"svc-{number % 20:02d}",
        "status": "200",
    }
    return wire.pack(Series(1, "http.server.duration", "gauge", "", tuple(labels.items())))


def _message(numbers: range, begin_ms: int, chance: np.random.Generator) -> tuple[list[bytes], Points]:
    """Points of these series, anew each time, as a decoded message has them."""
    slot = np.repeat(np.arange(len(numbers), dtype=np.uint16), POINTS_A_WINDOW)
    ts_ms = chance.integers(begin_ms, begin_ms + SPAN_MS, len(slot))
    return [_identity(number) for number in numbers], Points(slot, ts_ms, chance.lognormal(3, 1, len(slot)))


def _of_partition(partition: int, series: int) -> list[range]:
    """The series of each message of a partition."""
    mine = range(partition, series, DEFAULT_PARTITIONS)
    return [mine[at : at + SERIES_A_MESSAGE] for at in range(0, len(mine), SERIES_A_MESSAGE)]


def _ours(series: int) -> dict[str, float]:
    folds = [
        PartitionFold(lambda _: None, wire.tenant_of, wire.kind_of, SeriesNames(wire.series_id))
        for _ in range(DEFAULT_PARTITIONS)
    ]
    chance, before, alone = np.random.default_rng(3), _resident(), 0
    for phase, begin_ms in enumerate(PHASES_MS):
        for partition, fold in enumerate(folds):
            for number, mine in enumerate(_of_partition(partition, series)):
                names, points = _message(mine, BEGIN_MS + begin_ms, chance)
                received_ms = BEGIN_MS + begin_ms + SPAN_MS
                fold.fold(Arrival("bench", phase * series + number, received_ms, names), points)
            fold.checkpoint()
        alone = alone or _resident() - before
    gained = _resident() - before
    windows = [cells for fold in folds for cells in _open(fold)]
    return {
        "bytes": gained,
        "alone": alone,
        "peak": _peak() - before,
        "windows": sum(int(cells.touched.sum()) for cells in windows),
        "points": sum(float(cells.count.sum()) for cells in windows),
        "entries": sum(len(cells.sketches.rows(np.flatnonzero(cells.touched)).bucket) for cells in windows),
    }


def _open(fold: PartitionFold) -> list[Cells]:
    """The cells of its open windows in every tier."""
    tiers = fold._tiers  # noqa: SLF001  # nobody else looks in
    return [*tiers.open.cells(), *(coarse.cells for coarse in tiers.coarse)]


def _naive(series: int) -> dict[str, float]:
    fold, chance, before = NaiveFold(), np.random.default_rng(3), _resident()
    for begin_ms in PHASES_MS:
        for partition in range(DEFAULT_PARTITIONS):
            for mine in _of_partition(partition, series):
                fold.fold(*_message(mine, BEGIN_MS + begin_ms, chance))
        fold.close(BEGIN_MS + begin_ms - 2_000)
    windows = fold.windows.values()
    return {
        "bytes": _resident() - before,
        "peak": _peak() - before,
        "windows": len(windows),
        "points": sum(window.count for window in windows),
        "entries": sum(len(window.sketch) for window in windows),
    }


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    weigh = {"ours": _ours, "naive": _naive}[sys.argv[1]]
    print(json.dumps(weigh(int(sys.argv[2]))))
