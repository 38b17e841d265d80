"""Rules mean here what they mean to Prometheus: promtool judges the same windows and must agree, step by step."""

import random
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.folder import ROOT
from services.alerts.domain.transition import FIRING
from shared.alerts.rules import template
from shared.alerts.rules.plan import COMPARISONS
from shared.model.window import BASE_MS
from tests.support import promtool
from tests.support.alerting import Row, closed, partition, rule, tick

ROUNDS = 12
"""Cases for each comparison with each duration."""

A_FILE = 10
"""Cases of one file: promtool evaluates all rules of a file for each test in it."""

STEPS = 60
GONE = 33
"""Windows in a row without points, after which a series is gone: Prometheus looks back for five minutes."""

DURATIONS_S = (0, 10, 15, 30, 60)
PAIRS = tuple(product(COMPARISONS, DURATIONS_S))
EXPR = "api:response_seconds:last_10s"

pytestmark = pytest.mark.timeout(540)


def test_the_rules_shipped_pass_its_check() -> None:
    """Whoever runs Prometheus can read them."""
    code, said = promtool.run("check", "rules", str(ROOT / "deploy/rules/default.yml"))

    assert (0, True) == (code, "5 rules found" in said), said


def test_promtool_agrees_on_what_fires(tmp_path: Path) -> None:
    """Random reports, every comparison, durations on and off the step: the same alerts fire at the same steps."""
    chance = random.Random(7)
    cases = [_case(chance, number, *pair) for number, pair in enumerate(PAIRS * ROUNDS)]
    files = [
        _files(tmp_path, number, cases[number : number + A_FILE]) for number in range(0, len(cases), A_FILE)
    ]

    code, said = promtool.run("test", "rules", *map(str, files))

    assert code == 0, said[:4000]
    ended = {case["pair"] for case in cases if (True, False) in pairwise(case["firing"])}
    assert set(PAIRS) == ended, "some pairs never fired and ended: promtool agreed on nothing"


def test_promtool_prints_values_as_we_do(tmp_path: Path) -> None:
    """`{{ $value }}` of any float, of all scales, and of what is none. Source: prometheus#7426."""
    chance = random.Random(11)
    values = [1234567.0, 99.99999, 5000000.4, 1e-05, 0.0001, 1e6, 999999.5, 1e21, 5e-324, 0.0, float("inf")]
    values += [chance.uniform(-1, 1) * 10 ** chance.uniform(-12, 25) for _ in range(300)]
    values += [round(value, 3) for value in values[-100:] if abs(value) < 1e9] + [-float("inf"), float("nan")]
    texts = [template.filled("{{ $value }} s", value, {}) for value in values]
    rules = [
        {"alert": f"Case{number}", "expr": f"vector({value!r})", "annotations": {"text": "{{ $value }} s"}}
        for number, value in enumerate(values)
    ]
    expected = [
        {
            "eval_time": "10s",
            "alertname": f"Case{number}",
            "exp_alerts": [{"exp_annotations": {"text": text}}],
        }
        for number, text in enumerate(texts)
    ]
    groups = [{"name": "values", "interval": "10s", "rules": rules}]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    tests = {"rule_files": ["rules.yml"], "tests": [{"interval": "10s", "alert_rule_test": expected}]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))

    code, said = promtool.run("test", "rules", str(tmp_path / "tests.yml"))

    assert code == 0, said[:4000]


TEMPLATES = (
    "{{ $value | humanize }}", "{{ humanize1024 $value }}", "{{ $value | humanizePercentage }}",
    "{{ $value | humanizeDuration }}", '{{ printf "%.2f and %5.1e" $value $value }}',
    '{{ $value | printf "%+.3g|%v" $value }}', '{{ $value | printf "%g %%|%08.3f" $value }}',
    "{{ $labels.host | toUpper }} {{ toLower $labels.host }}", "{{ $labels.host | title }}",
    '{{ index $labels "host" }}|{{ `a` }}', '{{ $labels.host | printf "%-8s|%8s" "b" }}',
    "{{$value}}{{  $labels.none }}",
)  # fmt: skip
"""What annotations may hold, but for instants."""


ROUND = (
    0.0, 1.0, -1.0, 0.5, 999.9999, 1000.0, 1023.9, 1024.0, 59.9, 60.0, 3599.5, 86_400.0, 1e-7, 123456.0,
)  # fmt: skip
"""Values at which texts change."""


def test_promtool_fills_templates_in_as_we_do(tmp_path: Path) -> None:
    """Every function, of values of all scales. Source: Prometheus, template/template.go."""
    chance = random.Random(13)
    values = [*ROUND]
    values += [chance.uniform(-1, 1) * 10 ** chance.uniform(-9, 14) for _ in range(200)]
    times = {f"t{n}": chance.randint(-(10**12), 9 * 10**12) / 1000 for n in range(40)} | {"t40": 0.0}
    labels = {"host": "db one-a's"}
    rules, expected = list[dict[str, Any]](), list[dict[str, Any]]()
    cases = [(f"v{n}", value, TEMPLATES) for n, value in enumerate(values)]
    cases += [(name, value, ("{{ $value | humanizeTimestamp }}",)) for name, value in times.items()]
    for name, value, templates in cases:
        texts = {f"a{n}": text for n, text in enumerate(templates)}
        filled = {key: template.filled(text, value, labels) for key, text in texts.items()}
        expr = f'label_replace(vector({value!r}), "host", "{labels["host"]}", "", "")'
        rules.append({"alert": name, "expr": expr, "annotations": texts})
        alert = {"exp_labels": labels, "exp_annotations": filled}
        expected.append({"eval_time": "10s", "alertname": name, "exp_alerts": [alert]})
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "texts", "rules": rules}]}))
    tests = {"rule_files": ["rules.yml"], "tests": [{"interval": "10s", "alert_rule_test": expected}]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))

    code, said = promtool.run("test", "rules", str(tmp_path / "tests.yml"))

    assert code == 0, said[:4000]


def _case(chance: random.Random, number: int, comparison: str, for_s: int) -> dict[str, Any]:
    """A rule, the values of a series by window, and the windows after which our alert fires."""
    values = _values(chance, GONE if number % 2 else 6)
    text = f"{EXPR} {comparison} 5"
    keep_s = chance.choice((0, 0, 20, 35))
    rows = [(2, window, value) for window, value in enumerate(values, 1) if value is not None]
    return {
        "name": f"Case{number}", "pair": (comparison, for_s), "expr": text, "for_s": for_s, "values": values,
        "keep_s": 0 if number % 2 else keep_s, "firing": _firing(text, for_s, 0 if number % 2 else keep_s, rows),
    }  # fmt: skip


def _values(chance: random.Random, silent: int) -> list[float | None]:
    """Values in runs, long enough for every duration to be reached; None: a window without points, up to so many."""
    values: list[float | None] = []
    while len(values) < STEPS:
        value = chance.choice((None, 4.0, 5.0, 6.0))
        values += [value] * chance.randint(1, 6 if value is not None or chance.random() < 0.7 else silent)
        values += [chance.choice((4.0, 5.0, 6.0))] if value is None else []
    return values[:STEPS]


def _firing(text: str, for_s: int, keep_s: int, rows: Sequence[Row]) -> list[bool]:
    """Whether our alert fires once each window has closed."""
    state = partition(rule(text, for_s, keep_firing_ms=keep_s * 1000, lookback_ms=300_000))
    fires = []
    for window in range(1, STEPS + 1):
        if present := [row for row in rows if row[1] == window]:
            state.fold(closed(present))
        state.fold(tick(window + 1))
        fires.append(any(alert.state == FIRING for alert in state.alerts.values()))
    return fires


def _files(folder: Path, number: int, cases: Sequence[dict[str, Any]]) -> Path:
    return promtool.written(folder, number, [_group(case) for case in cases], [_test(case) for case in cases])


def _group(case: dict[str, Any]) -> dict[str, Any]:
    # A metric of its own for each case, so that all of them share one file.
    one = {
        "alert": case["name"], "expr": _renamed(case), "for": f"{case['for_s']}s",
        "keep_firing_for": f"{case['keep_s']}s",
    }  # fmt: skip
    return {"name": case["name"], "interval": "10s", "rules": [one]}


def _renamed(case: dict[str, Any]) -> str:
    return str(case["expr"]).replace(EXPR, f"api:{case['name']}:last_10s")


def _test(case: dict[str, Any]) -> dict[str, Any]:
    """The window with number n has closed at step n, and its point is five seconds old by then."""
    samples = " ".join("_ _" if value is None else f"{value:g} _" for value in case["values"])
    alerts = [
        {
            "eval_time": f"{step * BASE_MS // 1000}s",
            "alertname": case["name"],
            "exp_alerts": [{"exp_labels": {"endpoint": "/2"}}] if fires else [],
        }
        for step, fires in enumerate(case["firing"], 1)
    ]
    series = f'api:{case["name"]}:last_10s{{endpoint="/2"}}'
    return {
        "interval": "5s",
        "input_series": [{"series": series, "values": f"_ {samples}"}],
        "alert_rule_test": alerts,
    }
