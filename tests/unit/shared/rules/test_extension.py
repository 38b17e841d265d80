"""What rules say here beyond Prometheus: `x-tidegauge`, `keep_firing_for`, labels of groups."""

from pathlib import Path

import pytest

from shared.alerts.rules.file import load, rules_of
from shared.errors import Misconfigured

EXPR = "api:response_seconds:max_10s"
HEAD = f"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {EXPR} > 5\n"


def problem_of(content: str) -> tuple[int, int, str]:
    """Line, column and message of the one problem of a file."""
    with pytest.raises(Misconfigured) as caught:
        rules_of("f", content.encode())
    (found,) = str(caught.value).splitlines()
    line, column, message = found.removeprefix("f:").split(":", 2)
    return int(line), int(column), message.strip()


def test_all_keys_are_read(tmp_path: Path) -> None:
    """A rule's own go before those of its group."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: g\n  labels: {team: web, severity: page}\n"
        "  x-tidegauge: {lookback: 2m, min_samples: 3, late: {policy: ignore}}\n"
        f"  rules:\n  - alert: A\n    expr: {EXPR} > 5\n    keep_firing_for: 1m\n    labels: {{severity: low}}\n"
        f"    x-tidegauge: {{clear: '{EXPR} < 4', no_data: {{policy: keep}}, min_samples: 20}}\n"
        f"  - alert: B\n    expr: {EXPR} > 5\n"
    )
    one, other = load(str(path))

    assert (60_000, 4.0, 120_000, "keep", 20, {"team": "web", "severity": "low"}) == (
        one.keep_firing_ms, one.clear and one.clear.threshold, one.lookback_ms, one.no_data, one.min_samples,
        one.labels,
    )  # fmt: skip
    assert (0, None, 120_000, "resolve", 3, {"team": "web", "severity": "page"}) == (
        other.keep_firing_ms, other.clear, other.lookback_ms, other.no_data, other.min_samples, other.labels,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "column", "says"),
    [
        pytest.param("{evaluate: soon}", 29, "must be early or on_close", id="evaluate"),
        pytest.param("{inhibits: [B]}", 19, "inhibits: is not carried out yet", id="inhibits"),
        pytest.param("{publish: false}", 19, "publish: is not carried out yet", id="publish"),
        pytest.param("{series_labels: false}", 19, "series_labels: is not", id="series_labels"),
        pytest.param("{late: {policy: fire}}", 34, "late windows page nobody", id="late"),
        pytest.param("{late: {policy: ignore, within: 1m}}", 42, "within: is not", id="within"),
        pytest.param("{no_data: {policy: alert}}", 37, "write resolve or keep", id="no_data: alert"),
        pytest.param("{no_data: {policy: keep, for: 5m}}", 43, "for: is not", id="no_data: for"),
        pytest.param("{no_data: {}}", 28, "policy: must be given", id="no policy"),
        pytest.param("{no_data: {policy: ok}}", 37, "must be resolve or keep", id="no such policy"),
        pytest.param("{min_samples: 0}", 32, "whole number", id="no samples"),
        pytest.param("{min_samples: 1.5}", 32, "whole number", id="half a sample"),
        pytest.param("{min_samples: 99999999999}", 32, "whole number", id="too many samples"),
        pytest.param("{lookback: 0s}", 29, "longer than nothing", id="no look-back"),
        pytest.param("{lookback: soon}", 29, "not a duration", id="no duration"),
        pytest.param("{clear: 'api:response_seconds:min_10s < 4'}", 27, "must compare the figure", id="another clear"),
        pytest.param("{other: 1}", 19, "unknown key 'other'; known are clear", id="unknown"),
        pytest.param("7", 18, "must be a mapping", id="no mapping"),
    ],
)  # fmt: skip
def test_what_is_not_carried_out_is_refused_at_its_place(rest: str, column: int, says: str) -> None:
    """By its name: whoever writes it would rely on it."""
    line, at, message = problem_of(f"{HEAD}    x-tidegauge: {rest}\n")

    assert (6, column) == (line, at)
    assert says in message


@pytest.mark.parametrize(
    ("content", "line", "column", "says"),
    [
        pytest.param(HEAD.replace("g\n", "g\n  limit: 5\n"), 3, 3, "limit: is not carried out", id="limit"),
        pytest.param(HEAD.replace("g\n", "g\n  query_offset: 1m\n"), 3, 3, "query_offset: is", id="query_offset"),
        pytest.param(HEAD.replace("alert: A", "record: a:b"), 4, 5, "record: rules that record", id="record"),
        pytest.param(HEAD.replace("g\n", "g\n  labels: {tenant: a}\n"), 3, 12, "given by the system", id="label"),
        pytest.param(HEAD + "    keep_firing_for: x\n", 6, 22, "not a duration", id="keep_firing_for"),
    ],
)  # fmt: skip
def test_so_are_keys_of_prometheus(content: str, line: int, column: int, says: str) -> None:
    """Those of groups, and rules that record."""
    found = problem_of(content)

    assert (line, column) == found[:2]
    assert says in found[2]


def test_a_rule_may_wait_for_the_close() -> None:
    """A maximum above a bound is judged on open windows, unless its rule says otherwise; nothing else can be."""
    files = [
        HEAD,
        f"{HEAD}    x-tidegauge: {{evaluate: early}}\n",
        f"{HEAD}    x-tidegauge: {{evaluate: on_close}}\n",
    ]
    found = problem_of(f"{HEAD}    for: 10s\n    x-tidegauge: {{evaluate: early}}\n")

    assert [True, True, False] == [rules_of("f", content.encode())[0].live for content in files]
    assert (7, 29) == found[:2]


def test_a_problem_of_a_group_is_said_once() -> None:
    """Its keys are read with each of its rules."""
    rules = "".join(f"  - alert: {name}\n    expr: {EXPR} > 5\n" for name in "ABC")

    found = problem_of(f"groups:\n- name: g\n  x-tidegauge: {{min_samples: none}}\n  rules:\n{rules}")

    assert (3, 30) == found[:2]
