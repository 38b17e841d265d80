"""`python -m bench [FIGURE ...]`: measures the named figures, or all, and prints one JSON line each.

`python -m bench compare BASE [FIGURE ...]` compares this tree with another commit: `compare.py`.
"""

import asyncio
import functools
import json
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import (
    aggregator,
    alert_latency,
    clients,
    compare,
    export,
    fold,
    gateway,
    hit_rate,
    hostile,
    ingest,
    late_burst,
    latency,
    live,
    memory,
    otlp,
    page,
    questions,
    reads_beside_posts,
    recovery,
    refusals,
    remote_write,
    series_million,
    sketches,
    stores,
    workers,
)
from bench.figure import Invalid, Line, say
from deploy.local.stack import Stack
from shared.errors import Misconfigured

Measure = Callable[[Stack, Path], Awaitable[list[Line]]]

MEMORY_S = 180.0
"""How long memory is watched within the whole."""

MEMORY_ALONE_S = 2400.0
"""How long when it is asked for by name."""

MEASURES: dict[tuple[str, ...], Measure] = {
    **{(name,): functools.partial(gateway.measure, figure=name) for name in gateway.SIGNALS},
    **{(name,): functools.partial(otlp.measure, figure=name) for name in otlp.FIGURES},
    (remote_write.FIGURE,): remote_write.measure,
    **{(name,): functools.partial(aggregator.measure, figure=name) for name in aggregator.PLANS},
    **{(name,): functools.partial(ingest.measure, figure=name) for name in ingest.PLANS},
    ("latency_live", "latency_closed"): latency.measure,
    ("latency_alert",): alert_latency.measure,
    ("live_subscribers", "live_latency"): live.measure,
    ("page_scripts", "page_desk", "page_phone", "page_moves"): page.measure,
    questions.FIGURES: questions.measure,
    ("hit_rate",): hit_rate.measure,
    ("refusals",): refusals.measure,
    ("reads_beside_posts",): reads_beside_posts.measure,
    ("export",): export.measure,
    ("hostile_sockets",): hostile.measure_sockets,
    ("noisy_tenant",): hostile.measure_tenant,
    ("clients_10k",): clients.measure,
    ("recovery",): recovery.measure,
    ("late_burst",): late_burst.measure,
    ("series_million",): series_million.measure,
    ("sketch_error",): sketches.measure,
    ("fold",): fold.measure,
    ("two_workers",): workers.measure_workers,
    ("telemetry_cost",): workers.measure_telemetry,
    ("postgres_copy",): stores.measure_postgres,
    ("redis_live",): stores.measure_redis,
    ("memory",): functools.partial(memory.measure, seconds=MEMORY_S),
}
"""Figures -> what measures them; a measure may give two."""

FIGURES = [name for names in MEASURES for name in names]


async def _measured(
    measure: Measure, names: tuple[str, ...], stack: Stack, folder: Path
) -> list[dict[str, object]]:
    try:
        return [line.fields() for line in await measure(stack, folder)]
    except (Invalid, Misconfigured) as problem:
        return [{"figure": name, "error": str(problem)} for name in names]
    except Exception as problem:  # noqa: BLE001  one figure that breaks must not hide the others
        traceback.print_exc()
        return [{"figure": name, "error": repr(problem)} for name in names]


async def _all(wanted: list[str], stack: Stack, folder: Path) -> bool:
    """Whether every wanted figure could be measured."""
    whole = True
    for names, measure in MEASURES.items():
        if not set(names) & set(wanted):
            continue
        say(f"{', '.join(names)} ...")
        for line in await _measured(measure, names, stack, folder):
            if line["figure"] in wanted:
                print(json.dumps(line), flush=True)
                whole &= "error" not in line
    return whole


def main(wanted: list[str]) -> int:
    """Measure on servers of our own, or those whose addresses are given."""
    if unknown := set(wanted) - set(FIGURES):
        say(f"no such figure: {', '.join(sorted(unknown))}. There are: {', '.join(FIGURES)}")
        return 2
    seconds = MEMORY_ALONE_S if "memory" in wanted else MEMORY_S
    MEASURES["memory",] = functools.partial(memory.measure, seconds=seconds)
    with tempfile.TemporaryDirectory(prefix="tidegauge-bench-") as name:
        folder = Path(name)
        with Stack.up(folder / "servers", durable=False, say=say) as stack:
            return 0 if asyncio.run(_all(wanted or FIGURES, stack, folder)) else 1


if __name__ == "__main__":
    compared = sys.argv[1:2] == ["compare"]
    sys.exit(compare.main(sys.argv[2:]) if compared else main(sys.argv[1:]))
