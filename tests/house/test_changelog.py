"""The changelog keeps to its format: what is unreleased, then releases with dates, their sections in one order."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

SECTIONS = ["Security", "Removed", "Deprecated", "Added", "Changed", "Fixed"]
RELEASE = re.compile(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})")
ENTRY = re.compile(r"- \S.*\n(?:  \S.*\n)*")
"""One entry: a bullet and the lines that go on with it."""


@pytest.fixture
def parts(root: Path) -> list[tuple[str, str]]:
    """Heading and text of each part of the file, from the top."""
    found = re.split(r"^## (.+)\n", (root / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    return list(zip(found[::2], found[1::2], strict=True))


@pytest.fixture
def releases(parts: list[tuple[str, str]]) -> list[tuple[tuple[int, ...], date]]:
    """Version and day of each release, the newest first."""
    matches = [RELEASE.fullmatch(heading) for heading, _ in parts[1:]]
    assert None not in matches, [heading for heading, _ in parts]
    return [(tuple(map(int, match.groups()[:3])), date.fromisoformat(match[4])) for match in matches if match]


def test_what_is_unreleased_stands_above_the_releases(parts: list[tuple[str, str]]) -> None:
    """A change always has a place to be told, and the first release is there to be compared with."""
    assert ("[Unreleased]", True) == (parts[0][0], len(parts) > 1)


def test_releases_go_back_in_version_and_in_time(releases: list[tuple[tuple[int, ...], date]]) -> None:
    """The newest release is the first, and no version is told twice."""
    versions, days = zip(*releases, strict=True)

    assert list(versions) == sorted(set(versions), reverse=True)
    assert list(days) == sorted(days, reverse=True)


def test_sections_keep_their_order_and_hold_entries(parts: list[tuple[str, str]]) -> None:
    """A reader finds what was removed above what was added, one bullet a change."""
    for heading, text in parts:
        before, *sections = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
        titles = sections[::2]

        assert before.strip() == "", heading
        assert titles == [title for title in SECTIONS if title in titles], heading
        assert [ENTRY.sub("", body).strip() for body in sections[1::2]] == [""] * len(titles), heading
        assert all(ENTRY.search(body) for body in sections[1::2]), heading


def test_the_version_is_the_newest_release_or_the_next(
    root: Path, releases: list[tuple[tuple[int, ...], date]]
) -> None:
    """The version in `pyproject.toml` never skips one."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    (major, minor, patch), _ = releases[0]
    following = [(major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)]

    assert tuple(map(int, version.split("."))) in [(major, minor, patch), *following]
