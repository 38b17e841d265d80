"""Label sets: which metrics have which, and what is wrong with a file of them."""

from pathlib import Path

import pytest

from services.aggregator.settings import SHIPPED
from shared.errors import Misconfigured
from shared.prepared.label_sets import LabelSets, matches, overlap, set_of, text_of
from shared.prepared.label_sets_file import load


@pytest.mark.parametrize(
    ("pattern", "metric", "expected"),
    [
        ("*", "any.thing", True),
        ("web_vital.*", "web_vital.lcp", True),
        ("web_vital.*", "web_vitals", False),
        ("a.b", "axb", False),
        ("*.count", "events.count", True),
        ("a*c*", "abcd", True),
        ("a*", "line\nbreak", False),
        ("[a]", "a", False),
    ],
)
def test_a_pattern_names_metrics(pattern: str, metric: str, expected: bool) -> None:
    """Nothing but the star stands for other signs."""
    assert expected is matches(pattern, metric)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("*", "a", True),
        ("a.*", "*.b", True),
        ("a.*", "b.*", False),
        ("a*b", "ab", True),
        ("a*b", "a*c", False),
        ("abc", "abc", True),
        ("a", "", False),
        ("**", "", True),
    ],
)
def test_patterns_overlap_where_a_metric_matches_both(one: str, other: str, expected: bool) -> None:
    """Whichever of them is asked."""
    assert [expected] * 2 == [overlap(one, other), overlap(other, one)]


def test_a_metric_has_the_sets_of_every_pattern_that_it_matches() -> None:
    """Each once, in order."""
    sets = LabelSets({"*": ((),), "a*": (("x",), ()), "*b": (("x",), ("x", "y"))})

    assert [((), ("x",)), ((), ("x",), ("x", "y")), ((),)] == [sets.of(name) for name in ("a", "ab", "c")]


@pytest.mark.parametrize("label_set", [(), ("a",), ("a", "b c")])
def test_a_set_is_its_text(label_set: tuple[str, ...]) -> None:
    """The empty one included."""
    assert label_set == set_of(text_of(label_set))


def test_the_file_shipped_names_labels_of_its_metrics() -> None:
    """Those that the doors give them."""
    sets = load(str(SHIPPED))

    assert [
        ((), ("navigation_type", "page", "rating"), ("page",)),
        ((), ("endpoint",), ("endpoint", "method", "status"), ("status",)),
        ((), ("type",)),
        ((),),
    ] == [sets.of(name) for name in ("web_vital.lcp", "api.response_seconds", "events.count", "other")]


def test_a_file_is_read(tmp_path: Path) -> None:
    """Labels in any order; a metric without a set has none of this pattern."""
    path = tmp_path / "metrics.yml"
    path.write_text('metrics:\n  "*": [[], [b, a]]\n  m: []\n')

    assert LabelSets({"*": ((), ("a", "b")), "m": ()}) == load(str(path))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("", ["1:1: the file is empty; it must hold metrics"], id="empty"),
        pytest.param("- a\n", ["1:1: the file: must be a mapping", "1:1: metrics: must be given"], id="a list"),
        pytest.param(
            "metric: {}\n",
            ["1:1: unknown key 'metric'; known is metrics", "1:1: metrics: must be given"],
            id="another key",
        ),
        pytest.param("metrics: [a]\n", ["1:10: metrics: must be a mapping"], id="a list of metrics"),
        pytest.param(
            "metrics:\n  m: [a]\n",
            ["2:7: metrics.m[0]: must be a list of labels; [] puts all series together"],
            id="a label for a set",
        ),
        pytest.param("metrics:\n  m: a\n", ["2:6: metrics.m: must be a list of lists of labels"], id="no list"),
        pytest.param(
            "metrics:\n  m:\n    - [a, a]\n", ["3:7: metrics.m[0]: a label stands twice"], id="a label twice"
        ),
        pytest.param(
            "metrics:\n  m:\n    - [a, b]\n    - [b, a]\n", ["4:7: metrics.m[1]: stands twice"], id="a set twice"
        ),
        pytest.param(
            "metrics:\n  m: []\n  m: []\n", ["3:3: metrics: 'm' stands twice"], id="a pattern twice"
        ),
        pytest.param(
            "metrics:\n  m:\n    - [a, b, c, d, e]\n", ["3:7: metrics.m[0]: more than 4 labels"], id="five labels"
        ),
        pytest.param(
            "metrics:\n  m:\n    - [1]\n",
            ["3:8: metrics.m[0]: a label must be a text; put it in quotes"],
            id="a number",
        ),
        pytest.param(
            "metrics:\n  m:\n    - ['a,b']\n",
            ["3:8: metrics.m[0]: a label with ',' in its name cannot be in a set"],
            id="a comma",
        ),
        pytest.param(
            "metrics:\n  m:\n    - [tenant]\n",
            ["3:8: metrics.m[0]: labels: name 'tenant' is reserved"],
            id="a reserved label",
        ),
        pytest.param(
            "metrics:\n  __m: []\n",
            [
                ("2:3: metrics.__m: name: must be 1 to 200 bytes of UTF-8 without control characters, "
                "not starting with '__'")
            ],
            id="no metric",
        ),
        pytest.param("metrics:\n  ? [a]\n  : []\n", ["2:5: metrics: a key must be a text; put it in quotes"], id="key"),
        pytest.param("metrics: &a\n  m: []\n", ["1:10: anchors and aliases are not read here"], id="an anchor"),
        pytest.param("metrics: {\n", ["2:1: expected the node content, but found '<stream end>'"], id="no YAML"),
        pytest.param(
            'metrics:\n  "*": [[a], [b], [c], [d], [e]]\n  m: [[f], [g], [h], [i]]\n',
            [
                "2:3: metrics.*: 9 label sets with those of m; a metric has at most 8",
                "3:3: metrics.m: 9 label sets with those of *; a metric has at most 8",
            ],
            id="nine sets of a metric",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, problems: list[str]) -> None:
    """All of it at once, each with file, line, column and field."""
    path = tmp_path / "metrics.yml"
    path.write_text(text)

    with pytest.raises(Misconfigured) as refused:
        load(str(path))

    assert [f"{path}:{problem}" for problem in problems] == str(refused.value).split("\n")


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    """By its name."""
    large = tmp_path / "large.yml"
    large.write_bytes(b"#" * (1 << 18) + b"\n")

    with pytest.raises(Misconfigured, match=r"none\.yml: No such file"):
        load(str(tmp_path / "none.yml"))
    with pytest.raises(Misconfigured, match=r"large\.yml:1:1: the file is larger than 262144 bytes"):
        load(str(large))


def test_sets_of_patterns_apart_do_not_add_up(tmp_path: Path) -> None:
    """No metric has them all."""
    path = tmp_path / "metrics.yml"
    sets = ", ".join(f"[{name}]" for name in "abcdefgh")
    path.write_text(f"metrics:\n  a.*: [{sets}]\n  b.*: [[x]]\n")

    assert 8 == len(load(str(path)).of("a.b"))
