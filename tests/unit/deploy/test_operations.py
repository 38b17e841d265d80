"""What operators copy out of the handbook works."""

import re
from pathlib import Path

import pytest

from deploy.local.folder import ROOT
from deploy.local.up.services import RULES
from shared.alerts.rules.file import load
from shared.prepared import label_sets_file


def names(rules: Path) -> list[str]:
    """The alerts of a rule file."""
    return [rule.alert for rule in load(str(rules))]


def example(first: str, page: str = "docs/OPERATIONS.md") -> str:
    """The file of a page of the handbook that begins with this word."""
    found = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (text,) = (one for one in found if one.startswith(first))
    return text


def test_the_file_of_label_sets_of_the_handbook_is_taken(tmp_path: Path) -> None:
    """As it stands there."""
    sets = tmp_path / "mine.yml"
    sets.write_text(example("metrics:"))

    assert ((), ("endpoint", "method", "status")) == label_sets_file.load(str(sets)).of(
        "api.response_seconds"
    )


@pytest.mark.parametrize("page", ["docs/OPERATIONS.md", "docs/RULES.md"])
def test_the_rule_file_of_the_handbook_is_taken(tmp_path: Path, page: str) -> None:
    """As it stands there."""
    rules = tmp_path / "mine.yml"
    rules.write_text(example("groups:", page))

    assert names(rules) == ["QueueLong"]


@pytest.mark.parametrize("alert", ["ApiResponseCritical", "ApiResponseSlow"])
def test_the_pages_of_the_readme_are_those_of_the_rules_shipped(alert: str) -> None:
    """A newcomer sees what the README shows."""
    assert alert in names(RULES)
    assert f"FIRING {alert} (" in (ROOT / "README.md").read_text()
