"""Rule files: what is read, and what is refused with file, line and column."""

from pathlib import Path

import pytest

from deploy.local.folder import ROOT
from shared.alerts.rules.file import load
from shared.errors import Misconfigured

HEAD = "groups:\n- name: g\n  rules:\n  - alert: A\n"
"""The first four lines of a file; what follows is the rest of its one rule, indented by four."""

EXPR = "api:response_seconds:max_10s"


def problems(content: str | bytes, folder: Path) -> list[tuple[int, int, str]]:
    """Line, column and message of each problem of a file."""
    path = folder / "rules.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Misconfigured) as caught:
        load(str(path))
    found = [line.removeprefix(f"{path}:").split(":", 2) for line in str(caught.value).splitlines()]
    return [(int(line), int(column), message.strip()) for line, column, message in found]


def test_the_rules_shipped_are_those_of_the_documents() -> None:
    """Response above 5 s at once and above 3 s on the close, heap above 80 %, cache hits below 60 %; and our own."""
    rules = load(str(ROOT / "deploy/rules/default.yml"))

    assert [
        ("ApiResponseCritical", f"{EXPR} > 5", True, "critical"),
        ("ApiResponseSlow", "api:response_seconds:p95_10s > 3", False, "warning"),
        ("HeapHigh", "memory:heap_ratio:last_10s > 0.8", False, "warning"),
        ("CacheHitsLow", "cache:hit_ratio:avg_10s < 0.6", False, "warning"),
        ("LedgerOpen", "tidegauge:ledger_difference:max_10s > 0", True, "critical"),
    ] == [(rule.alert, rule.comparison.text, rule.live, rule.labels["severity"]) for rule in rules]


def test_a_whole_rule_is_read(tmp_path: Path) -> None:
    """Durations, labels, annotations and the interval that windows have anyway."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: g\n  interval: 10s\n  rules:\n  - alert: A\n"
        "    expr: |\n      api:response_seconds:p99.9_10s\n        <= 1e-3\n"
        "    for: 1m30s\n    labels: {team: web}\n    annotations: {summary: 'at {{ $value }} of {{ $labels.a }}'}\n"
    )
    (rule,) = load(str(path))

    assert ("g/A", "api_response_seconds", 99.9 / 100, "<=", 0.001, 90_000, {"team": "web"}) == (
        rule.key, rule.comparison.leaf.selector.name, rule.comparison.leaf.quantile, rule.comparison.operator,
        rule.comparison.threshold, rule.for_ms, rule.labels,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "line", "column", "says"),
    [
        pytest.param(f"    expr: {EXPR} > 5 and up\n", 5, 44, "one comparison", id="and"),
        pytest.param(f"    expr: '{EXPR} > 5 or up'\n", 5, 45, "one comparison", id="or in quotes"),
        pytest.param(
            f"    expr: |\n      {EXPR}\n        > 5 unless up\n", 7, 13, "one comparison", id="unless in a block",
        ),
        pytest.param(f"    expr: >\n      {EXPR} > 5 and\n      up\n", 6, 40, "one comparison", id="and before a fold"),
        pytest.param(
            f"    expr: {EXPR} > 5 and\n      up\n", 5, 44, "one comparison", id="and before a plain line break",
        ),
        pytest.param(
            f"    expr: | # > and\n      {EXPR} > 5 and up\n", 6, 40, "one comparison", id="and in its header",
        ),
        pytest.param(f'    expr: "{EXPR} \\x3e 5 and up"\n', 5, 48, "one comparison", id="and behind an escape"),
        pytest.param(f"    expr: |\n      {EXPR}\n    for: 10s\n", 6, 35, "expected one of", id="a block too short"),
        pytest.param(f"    expr: {EXPR} > ٥\n", 5, 42, "not PromQL", id="a digit of another script"),
        pytest.param(f"    expr: {EXPR} > 5\n", 5, 39, "not PromQL", id="a blank of another kind"),
        pytest.param(f"    expr: !mine {EXPR} > 5\n", 5, 11, "must be a text", id="a type of its own"),
        pytest.param(f'    expr: {EXPR}{{a="b"}}\n', 5, 46, "expected one of", id="matchers"),
        pytest.param(f"    expr: rate({EXPR}[5s]) > 5\n", 5, 16, "a multiple", id="a function"),
        pytest.param(f"    expr: {EXPR} > {EXPR}\n", 5, 42, "a number", id="two series"),
        pytest.param(f"    expr: {EXPR} * up > 5\n", 5, 42, "a number", id="arithmetic"),
        pytest.param(f"    expr: {EXPR}\n", 5, 39, "expected one of", id="no comparison"),
        pytest.param(f"    expr: {EXPR} =~ 5\n", 5, 40, "not PromQL", id="no such comparison"),
        pytest.param(f"    expr: {EXPR} > NaN\n", 5, 42, "a number", id="not a number"),
        pytest.param(f"    expr: {EXPR} > 1e999\n", 5, 42, "too large", id="a number too large"),
        pytest.param("    expr: api:response_seconds:max_1m > 5\n", 5, 36, "10s long", id="another window"),
        pytest.param("    expr: api:response_seconds:mode_10s > 5\n", 5, 32, "mode is not", id="no such operation"),
        pytest.param("    expr: absent(up) > 5\n", 5, 11, "absent is not", id="no figure"),
        pytest.param("    expr: [1]\n", 5, 11, "must be a text", id="expr is a list"),
        pytest.param("    expr:\n", 5, 10, "must be a text", id="expr is empty"),
        pytest.param("    labels: {}\n", 4, 5, "expr: must be given", id="expr is missing"),
        pytest.param(f"    expr: {EXPR} > 5\n    for: 10\n", 6, 10, "not a duration", id="a number as duration"),
        pytest.param(f"    expr: {EXPR} > 5\n    for: 2w\n", 6, 10, "longest", id="a duration too long"),
        pytest.param(
            f"    expr: {EXPR} > 5\n    for: {9:0>5000}s\n", 6, 10, "not a duration", id="a duration of 5000 digits",
        ),
        pytest.param(f"    expr: {EXPR} > 5\n    keep_firing: 1m\n", 6, 5, "unknown key", id="an unknown key"),
        pytest.param(f"    expr: {EXPR} > 5\n    expr: {EXPR} > 6\n", 6, 5, "stands twice", id="a key twice"),
        pytest.param(f"    expr: {EXPR} > 5\n    labels: {{a: 1}}\n", 6, 17, "in quotes", id="a number as label"),
        pytest.param(f"    expr: {EXPR} > 5\n    labels: {{tenant: x}}\n", 6, 14, "by the system", id="tenant"),
        pytest.param(f"    expr: {EXPR} > 5\n    labels: {{tenant_id: x}}\n", 6, 14, "reserved", id="a reserved label"),
        pytest.param(
            f"    expr: {EXPR} > 5\n    labels: {{a: 'v {{{{ $value }}}}'}}\n", 6, 20, "no templates",
            id="a template as label",
        ),
        pytest.param(
            f"    expr: {EXPR} > 5\n    annotations: {{a: '{{{{ .Labels }}}}'}}\n", 6, 23, "only",
            id="an unknown template",
        ),
        pytest.param(
            f"    expr: {EXPR} > 5\n    annotations: {{a: 'it''s {{{{ .X }}}}'}}\n", 6, 29, "only",
            id="an unknown template behind a quote",
        ),
        pytest.param(
            f'    expr: {EXPR} > 5\n    annotations: {{a: "a b\\0"}}\n', 6, 26, "control",
            id="an annotation that no table can hold",
        ),
        pytest.param(
            f'    expr: {EXPR} > 5\n    annotations: {{a: "\\ud800"}}\n', 6, 23, "control", id="half a sign",
        ),
        pytest.param(
            f"    expr: {EXPR} > 5\n    annotations: {{a b: x}}\n", 6, 19, "name", id="an annotation's name",
        ),
        pytest.param(
            f'    expr: {EXPR} > 5\n    labels: {{"a\\nb": 1}}\n', 6, 22, "in quotes", id="a line break in a key",
        ),
        pytest.param(
            f"    expr: {EXPR} > 5\n  - alert: 5\n    expr: {EXPR} > 6\n", 6, 12, "quotes", id="a number as name",
        ),
        pytest.param(
            f'    expr: {EXPR} > 5\n  - alert: "\\0"\n    expr: {EXPR} > 6\n', 6, 12, "control",
            id="a name that no table can hold",
        ),
        pytest.param(f"    expr: {EXPR} > 5\n  - alert: A\n    expr: {EXPR} > 6\n", 6, 12, "twice", id="twice"),
        pytest.param("    expr: &a x\n", 5, 11, "anchors", id="an anchor"),
        pytest.param("    expr: [\n", 6, 1, "", id="not YAML"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_at_its_place(
    rest: str, line: int, column: int, says: str, tmp_path: Path
) -> None:
    """An editor can jump to it."""
    (found,) = problems(HEAD + rest, tmp_path)

    assert (line, column) == found[:2]
    assert says in found[2]


@pytest.mark.parametrize(
    ("content", "line", "column", "says"),
    [
        pytest.param("", 1, 1, "empty", id="empty"),
        pytest.param("rules: []\n", 1, 1, "unknown key", id="no groups"),
        pytest.param("- a\n", 1, 1, "must be a mapping", id="a list"),
        pytest.param("groups: x\n", 1, 9, "must be a list", id="groups are no list"),
        pytest.param(b"groups:\n- name: \xff\n", 2, 9, "UTF-8", id="not UTF-8"),
        pytest.param(
            "groups:\n- name: é".encode() + b"\xff\n", 2, 10, "UTF-8", id="not UTF-8 behind a long sign"
        ),
        pytest.param('groups:\n- name: "\\UFFFFFFFF"\n', 2, 8, "Unicode", id="no such sign"),
        pytest.param("groups:\n- name: a\x01\n", 2, 10, "YAML", id="a control character"),
        pytest.param(b"#" * ((1 << 20) + 1), 1, 1, "larger", id="too large"),
    ],
)
def test_a_file_that_is_no_rule_file_is_refused(
    content: str | bytes, line: int, column: int, says: str, tmp_path: Path
) -> None:
    """Whatever is given as rules, the refusal says where it goes wrong."""
    found = problems(content, tmp_path)[0]

    assert (line, column) == found[:2]
    assert says in found[2]


def test_two_rules_do_not_share_a_key(tmp_path: Path) -> None:
    """An alert is stored under group and name as one text: no two rules may make the same of it."""
    one, other = (
        f"- name: {group}\n  rules:\n  - alert: {name}\n    expr: {EXPR} > 5\n"
        for group, name in (("a/b", "c"), ("a", "b/c"))
    )

    assert [(8, 12, "alert a/b/c stands twice")] == problems(f"groups:\n{one}{other}", tmp_path)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    """Nobody mends a file in ten rounds."""
    content = f"{HEAD}    expr: up\n    for: x\n  - alert: B\n    expr: down\n"

    assert [5, 6, 8] == [line for line, *_ in problems(content, tmp_path)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The refusal says which file and why."""
    with pytest.raises(Misconfigured, match=r"none\.yml: No such file"):
        load(str(tmp_path / "none.yml"))
