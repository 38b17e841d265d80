"""Findings can be run, stop at the first error, pin what they install, and are listed in their README."""

import os
import re
from pathlib import Path

import pytest

PINNED = re.compile(r'"[\w.\[\]-]+==[\w.]+"|@?[\w./-]+@[\d.]+|"[\w./-]+@v[\d.]+"')
"""A package of Python's index or of npm, or a module of Go, in one version."""


@pytest.fixture
def scripts(root: Path) -> list[Path]:
    """Every file of the folder but its README."""
    return sorted(path for path in (root / "findings").iterdir() if path.name != "README.md")


def test_the_readme_lists_every_script(root: Path, scripts: list[Path]) -> None:
    """A row of the table for each script, and no row for one that is gone."""
    rows = re.findall(r"^\| \[(.+)\]\(\1\) \|", (root / "findings/README.md").read_text(), re.MULTILINE)

    assert [path.name for path in scripts] == rows


def test_a_script_can_be_run_and_stops_at_the_first_error(scripts: list[Path]) -> None:
    """It is executable bash, and a step that fails is not passed over."""
    for path in scripts:
        lines = path.read_text().splitlines()

        assert (".sh", True) == (path.suffix, os.access(path, os.X_OK)), path.name
        assert "#!/usr/bin/env bash" == lines[0], path.name
        assert "set -euo pipefail" in lines, path.name


def test_a_script_says_what_was_expected_and_seen(scripts: list[Path]) -> None:
    """Version, expectation, sight and consequence stand at its top."""
    for path in scripts:
        labels = re.findall(r"^# (Version|Expected|Seen|So):", path.read_text(), re.MULTILINE)

        assert ["Version", "Expected", "Seen", "So"] == labels, path.name


def test_a_script_pins_what_it_installs(scripts: list[Path]) -> None:
    """Another version is another finding."""
    for path in scripts:
        installed = re.findall(r'(?:pip"|npm) install (.+)', path.read_text().replace("\\\n", ""))
        words = [word for line in installed for word in line.partition(">")[0].split()]
        packages = [word for word in words if not word.startswith("-")]
        packages += re.findall(r"^go get (.+?) 2>", path.read_text(), re.MULTILINE)

        assert packages, path.name
        assert [word for word in packages if not PINNED.fullmatch(word)] == [], path.name
