"""Builds of other commits: their own modules run, and a commit that is missing is named."""

import subprocess
from pathlib import Path

import pytest

from tests.support.processes.builds import Build, NoSuchCommit, checked_out

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    command = ["git", *AUTHOR, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits of a service that says its version; the lock stays the same."""
    place = tmp_path / "repository"
    (place / "services").mkdir(parents=True)
    (place / "services/__init__.py").touch()
    (place / "requirements.lock").touch()
    git(place, "init", "--quiet")
    for version in ("first", "second"):
        (place / "services/hello.py").write_text(f"print({version!r})")
        git(place, "add", ".")
        git(place, "commit", "--quiet", "--message", version)
    return place


def said_by(build: Build) -> str:
    """What the service of a build prints."""
    command = build.command("services.hello")
    return subprocess.run(command, cwd=build.tree, check=True, capture_output=True, text=True).stdout.strip()


def test_each_build_runs_its_own_modules(repository: Path) -> None:
    """An older commit runs beside a newer one, and its tree is gone afterwards."""
    with checked_out("HEAD~1", repository) as before, checked_out("HEAD", repository) as now:
        said = [said_by(before), said_by(now)]

    assert said == ["first", "second"]
    assert not before.tree.exists()
    assert before.commit == git(repository, "rev-parse", "HEAD~1")


def test_a_commit_that_a_shallow_clone_lacks_is_named(repository: Path, tmp_path: Path) -> None:
    """The message says how to fetch it."""
    missing = git(repository, "rev-parse", "HEAD~1")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")

    with (
        pytest.raises(NoSuchCommit, match=f"{missing}.*git fetch --unshallow"),
        checked_out(missing, tmp_path / "shallow"),
    ):
        pass
