"""The page of running totals and the tests of its rules name each other."""

import re
from pathlib import Path


def test_each_rule_of_the_page_is_a_test_and_each_test_is_a_rule(root: Path) -> None:
    """A script of several rules is no rule of its own."""
    rows = re.findall(r"^\|.*\| `(\w+)` \|$", (root / "docs/RUNNING_TOTALS.md").read_text(), re.MULTILINE)
    tests = re.findall(
        r"^def test_(\w+)",
        (root / "tests/unit/aggregator/totals/test_rules.py").read_text(),
        re.MULTILINE,
    )

    assert sorted(rows) == sorted(name for name in tests if not name.startswith("script_"))
