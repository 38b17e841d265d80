"""fold: points per CPU-second of the fold alone, between a loop of Python and a loop of C over the same points.

Ten thousand series of one partition, 1,000 points a message, sketches included; no Kafka, no names, no closing. All
three must come to the same counts, sums, extremes and last values.
"""

import ctypes
import math
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np

from bench.figure import PAIRS, Invalid, Line, compared, say
from bench.naive.series import Window
from deploy.local.stack import Stack
from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from shared.model import sketch

SERIES, POINTS_A_MESSAGE, MESSAGES, NAIVE_MESSAGES = 10_000, 1_000, 500, 50
LEAST_RATIO = 10.0

Totals = tuple[float, ...]
"""Sums over all cells of count, sum, min, max and last."""


async def measure(_stack: Stack, folder: Path) -> list[Line]:
    """The line; it needs no server, but a C compiler."""
    ours, naive, upper = [], [], []
    c_loop = _compiled(folder)
    messages = list(_messages())
    for _ in range(PAIRS):
        few = messages[:NAIVE_MESSAGES]
        (rate, _), (peer, plain), (least, looped) = _numpy(messages), _python(few), _c(c_loop, messages)
        _agree(_numpy(few)[1], plain)
        _agree(_numpy(messages)[1], looped)
        ours.append(rate)
        naive.append(peer)
        upper.append(least)
        say(f"  numpy {rate:,.0f}, Python {peer:,.0f}, C {least:,.0f} points/CPU-s")
    return [
        compared(
            "fold", ours, naive, goals=(LEAST_RATIO, 0), c_loop=round(statistics.median(upper)),
            share_of_c_loop=round(statistics.median(own / top for own, top in zip(ours, upper, strict=True)), 2),
            series=SERIES, points_a_message=POINTS_A_MESSAGE, points=MESSAGES * POINTS_A_MESSAGE,
        )
    ]  # fmt: skip


def _messages() -> list[Entries]:
    chance = np.random.default_rng(3)
    shape = POINTS_A_MESSAGE
    return [
        Entries(
            chance.integers(0, SERIES, shape),
            chance.integers(0, 10_000, shape),
            chance.lognormal(3, 1, shape),
        )
        for _ in range(MESSAGES)
    ]


def _rate(messages: list[Entries], begin_s: float) -> float:
    return sum(map(len, messages)) / (time.process_time() - begin_s)


def _numpy(messages: list[Entries]) -> tuple[float, Totals]:
    begin_s, cells = time.process_time(), Cells(SERIES)
    for points in messages:
        cells.fold(points.slot, points)
    cells.sketches.rows(np.arange(SERIES))
    return _rate(messages, begin_s), _totals(cells.count, cells.sum, cells.min, cells.max, cells.last)


def _python(messages: list[Entries]) -> tuple[float, Totals]:
    begin_s, windows = time.process_time(), [Window() for _ in range(SERIES)]
    for points in messages:
        columns = (points.slot, points.ts_ms, points.value, sketch.buckets_of(points.value))
        for slot, ts_ms, value, bucket in zip(*(column.tolist() for column in columns), strict=True):
            windows[slot].add(ts_ms, value, bucket)
    rate, names = _rate(messages, begin_s), ("count", "sum", "min", "max", "last")
    return rate, _totals(*(np.array([getattr(window, name) for window in windows]) for name in names))


def _c(loop: ctypes.CDLL, messages: list[Entries]) -> tuple[float, Totals]:
    size, pointer = loop.cell_bytes(), ctypes.c_void_p
    cells = np.zeros(SERIES * size, np.uint8)
    per_log = ctypes.c_double(1 / math.log((1 + sketch.ACCURACY) / (1 - sketch.ACCURACY)))
    begin_s = time.process_time()
    for points in messages:
        columns = (pointer(column.ctypes.data) for column in (points.slot, points.ts_ms, points.value))
        loop.fold(pointer(cells.ctypes.data), ctypes.c_int64(len(points)), *columns, per_log)
    rate, floats = _rate(messages, begin_s), cells.view(np.float64).reshape(SERIES, size // 8)
    return rate, _totals(*(floats[:, at] for at in range(5)))


def _totals(*columns: np.ndarray) -> Totals:
    count, *others = columns
    return float(count.sum()), *(float(column[count > 0].sum()) for column in others)


def _agree(one: Totals, other: Totals) -> None:
    if not np.allclose(one, other, rtol=1e-9):
        raise Invalid(f"the folds differ: {one} and {other}")


def _compiled(folder: Path) -> ctypes.CDLL:
    source, library = Path(__file__).with_name("upper.c"), folder / "upper.so"
    command = ["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise Invalid("the reference needs a C compiler named cc") from None
    except subprocess.CalledProcessError as problem:
        raise Invalid(f"the reference does not compile: {problem.stderr}") from problem
    loop = ctypes.CDLL(str(library))
    loop.cell_bytes.restype = ctypes.c_int64
    return loop
