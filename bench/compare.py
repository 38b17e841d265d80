"""`python -m bench compare BASE [FIGURE ...]`: this tree against the build of another commit, a round of each in turn.

Rates per CPU-second. The drivers and the load are this tree's; the services and the tables are each build's own. The
load lies in formats that both builds read. The naive peers are not measured.
"""

import argparse
import asyncio
import functools
import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from bench import aggregator, gateway, ingest
from bench.figure import Invalid, say
from deploy.local.stack import Stack
from shared.runtime.clock import monotonic_s
from tests.support.processes.builds import THIS, Build, NoSuchCommit, checked_out

PAIRS = 6
"""Even, so that each side goes first as often as the other."""
LEAST_RATIO = 0.97

InTurn = Callable[[Stack, Path, str, Sequence[Build], int], Awaitable[list[list[float]]]]

FIGURES: dict[str, InTurn] = {
    **dict.fromkeys(("gateway_100", "gateway_1000", "remote_write_1000"), gateway.in_turn),
    **dict.fromkeys(("aggregator_10k", "aggregator_100k"), aggregator.in_turn),
    "ingest_events": ingest.in_turn,
    "gateway_events_100": gateway.in_turn,
}
"""Figures that can be compared -> what measures a round of each build in turn."""


def main(arguments: list[str]) -> int:
    """0 when no figure is slower than allowed, 1 when one is or could not be measured, 2 for a commit unknown."""
    asked = _parser().parse_args(arguments)
    begin_s = monotonic_s()
    try:
        with checked_out(asked.base) as base, tempfile.TemporaryDirectory(prefix="tidegauge-bench-") as name:
            say(f"{base.commit[:7]} is checked out ({monotonic_s() - begin_s:.0f} s)")
            folder = Path(name)
            with Stack.up(folder / "servers", durable=False, say=say) as stack:
                measure = functools.partial(
                    _line, stack, folder, base, pairs=asked.pairs, least_ratio=asked.least_ratio
                )
                reached = [asyncio.run(_printed(measure, figure)) for figure in asked.figure]
    except NoSuchCommit as problem:
        say(str(problem))
        return 2
    say(f"compared {len(reached)} figures in {(monotonic_s() - begin_s) / 60:.1f} minutes")
    return 0 if all(reached) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench compare", description=__doc__)
    parser.add_argument("base", help="commit to compare with")
    # No `choices`: argparse holds them against the whole default list.
    parser.add_argument("figure", nargs="*", type=_figure, default=list(FIGURES)[:5])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--least-ratio", type=float, default=LEAST_RATIO)
    return parser


def _figure(name: str) -> str:
    if name not in FIGURES:
        raise argparse.ArgumentTypeError(f"{name} cannot be compared; {', '.join(FIGURES)} can")
    return name


async def _printed(measure: Callable[[str], Awaitable[dict[str, Any]]], figure: str) -> bool:
    """Whether the figure was measured and is no slower than allowed."""
    say(f"{figure} ...")
    try:
        line = await measure(figure)
    except Invalid as problem:
        line = {"figure": figure, "error": str(problem), "reached": False}
    print(json.dumps(line), flush=True)
    return bool(line["reached"])


async def _line(
    stack: Stack, folder: Path, base: Build, figure: str, *, pairs: int, least_ratio: float
) -> dict[str, Any]:
    begin_s = monotonic_s()
    before, now = await FIGURES[figure](stack, folder, figure, (base, THIS), pairs)
    conditions = {
        "figure": figure, "base_commit": base.commit[:12], "pairs": pairs,
        "seconds": round(monotonic_s() - begin_s),
    }  # fmt: skip
    return conditions | judged(before, now, least_ratio)


def judged(before: Sequence[float], now: Sequence[float], least_ratio: float) -> dict[str, Any]:
    """What the rates of base and of this tree come to; a round is held against its neighbour."""
    ratios = [mine / other for mine, other in zip(now, before, strict=True)]
    ratio = statistics.median(ratios)
    return {
        "value": round(statistics.median(now)), "base": round(statistics.median(before)), "ratio": round(ratio, 3),
        "goal": f"ratio >= {least_ratio:g}", "reached": ratio >= least_ratio,
        "rates": [round(rate) for rate in now], "base_rates": [round(rate) for rate in before],
        "ratios": [round(each, 3) for each in ratios],
    }  # fmt: skip
