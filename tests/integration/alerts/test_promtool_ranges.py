"""Figures of ranges mean here what they mean to Prometheus: promtool judges generated cases, and agrees at each step.

A silence is as long as a range here, since Prometheus has none: `lookback` says so. `increase` is that of deltas, which
is the sum of their points. `TIDEGAUGE_CASES` says how many cases.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.alerts.domain.transition import FIRING
from services.alerts.evaluation.domain.alert import SeriesRef
from services.alerts.evaluation.service import SeriesInfo
from shared.alerts.rules.plan import COMPARISONS, candidate
from shared.model.window import BASE_MS
from tests.support import promtool
from tests.support.alerting import Row, closed, partition, rule, tick

CASES = int(os.environ.get("TIDEGAUGE_CASES", "300"))
A_FILE, A_RUN = 10, 20
STEPS = 40
SERIES = {1: "/1", 2: "/2"}
THRESHOLD = 5.37
"""No figure of the values below comes so near to it that a sketch, exact to 1 %, could be on the other side."""

FUNCTIONS = (
    "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time",
    "quantile_over_time", "increase",
)  # fmt: skip
MATCHERS = ("", '{endpoint="/2"}', '{endpoint!="/2"}', '{endpoint=~"/2|/3"}', '{endpoint!~"/[2-9]"}')

ARITHMETIC: tuple[Callable[[str, float], tuple[str, float]], ...] = (
    *[lambda figure, bound: (figure, bound)] * 4,
    lambda figure, bound: (f"100 * {figure} / 8 - 3", 100 * bound / 8 - 3),
    lambda figure, bound: (f"-{figure} + 1", 1 - bound),
    lambda figure, bound: (f"2 ^ ({figure} / 16)", 2 ** (bound / 16)),
    lambda figure, bound: (f"1 / ({figure} % 7.77)", bound / 7),
)
"""What is computed of a figure, and of its bound."""

pytestmark = pytest.mark.timeout(540)


def test_promtool_agrees_on_figures_of_ranges(tmp_path: Path) -> None:
    """Every function, comparison and matcher, ranges of one to twelve windows, gaps, durations, two series."""
    chance = random.Random(23)
    cases = [_case(chance, number) for number in range(CASES)]
    files = [_files(tmp_path, at, cases[at : at + A_FILE]) for at in range(0, CASES, A_FILE)]

    for begin in range(0, len(files), A_RUN):
        code, said = promtool.run("test", "rules", *map(str, files[begin : begin + A_RUN]))
        assert code == 0, said[:4000]
    ended = Counter(
        case["function"]
        for case in cases
        if any(
            (True, False) in pairwise(label in step for step in case["firing"]) for label in SERIES.values()
        )
    )
    assert set(FUNCTIONS) == set(ended), "some functions never fired and ended: promtool agreed on nothing"


def _case(chance: random.Random, number: int) -> dict[str, Any]:
    """A rule, the points of two series by window, and the series that fire at each step."""
    function, name = FUNCTIONS[number % len(FUNCTIONS)], f"case{number}"
    text = _expression(chance, function, f"{name}{chance.choice(MATCHERS)}")
    for_s, keep_s = chance.choice((0, 0, 10, 25, 40)), chance.choice((0, 0, 0, 15, 30))
    # What is kept firing in a silence ends with its series here, and later in Prometheus.
    gaps = () if keep_s else (None, None)
    rows = [(series, window, value) for series in SERIES for window, value in _values(chance, gaps)]
    return {
        "name": name, "function": function, "expr": text, "for": f"{for_s}s", "keep_firing_for": f"{keep_s}s",
        "rows": rows, "firing": _firing(name, text, (for_s, keep_s), rows),
    }  # fmt: skip


def _expression(chance: random.Random, function: str, selector: str) -> str:
    windows = chance.choice((1, 1, 2, 3, 6, 12))
    selected = f"{selector}[{10 * windows}s]"
    arguments = f"{chance.choice((0.5, 0.9))}, {selected}" if function.startswith("quantile") else selected
    bound = THRESHOLD * windows / 2 if function in ("sum_over_time", "increase") else THRESHOLD
    bound = windows / 2 + 0.25 if function == "count_over_time" else bound
    figure, bound = chance.choice(ARITHMETIC)(f"{function}({arguments})", bound)
    return f"{figure} {chance.choice(COMPARISONS)} {bound:.6g}"


def _values(chance: random.Random, gaps: tuple[None, ...]) -> list[tuple[int, float]]:
    values: list[float | None] = []
    while len(values) < STEPS:
        values += [chance.choice((1.0, 2.0, 4.0, 8.0, 16.0, *gaps))] * chance.randint(1, 7)
    return [(window, value) for window, value in enumerate(values[:STEPS], 13) if value is not None]


def _firing(name: str, text: str, spans: tuple[int, int], rows: list[Row]) -> list[set[str]]:
    """The series that fire at each step; their kind is what the function is of."""
    changed = rule(
        text.replace(name, "api_response_seconds"),
        spans[0],
        keep_firing_ms=spans[1] * 1000,
        lookback_ms=10_000,
    )
    state = partition(changed)
    state.describe = partial(_described, "delta" if "increase" in text else "gauge")
    state.fold(tick(1))
    firing = []
    for window in range(13, 13 + STEPS):
        if present := [row for row in rows if row[1] == window]:
            state.fold(closed(present, time=window + 1))
        state.fold(tick(window + 1))
        alerts = [alert for alert in state.alerts.values() if alert.state == FIRING]
        firing.append({alert.series.labels["endpoint"] for alert in alerts})
    return firing


def _described(kind: str, packed: bytes) -> SeriesInfo:
    labels = {"endpoint": SERIES.get(packed[0], "")}
    found = candidate("api.response_seconds", kind, "", labels)
    return SeriesInfo(found, SeriesRef(packed[0], 7, labels, is_level=kind == "gauge"))


def _files(folder: Path, number: int, cases: list[dict[str, Any]]) -> Path:
    return promtool.written(folder, number, [_group(case) for case in cases], [_test(case) for case in cases])


def _group(case: dict[str, Any]) -> dict[str, Any]:
    one = {key: case[key] for key in ("for", "keep_firing_for")} | {
        "alert": case["name"], "expr": case["expr"].replace("increase(", "sum_over_time("),
    }  # fmt: skip
    return {"name": case["name"], "interval": "10s", "rules": [one]}


def _test(case: dict[str, Any]) -> dict[str, Any]:
    """Each point stands in the middle of its window, which has closed at the step at its end."""
    points = {(series, window): f"{value:g}" for series, window, value in case["rows"]}
    inputs = [
        {
            "series": f'{case["name"]}{{endpoint="{label}"}}',
            "values": " ".join(
                ["_"] * 27 + [f"{points.get((series, n), '_')} _" for n in range(13, 13 + STEPS)]
            ),
        }
        for series, label in SERIES.items()
    ]
    alerts = [
        {
            "eval_time": f"{(window + 1) * BASE_MS // 1000}s",
            "alertname": case["name"],
            "exp_alerts": [{"exp_labels": {"endpoint": label}} for label in sorted(fires)],
        }
        for window, fires in enumerate(case["firing"], 13)
    ]
    return {"interval": "5s", "input_series": inputs, "alert_rule_test": alerts}
