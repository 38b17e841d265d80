"""Builds of this project: the working tree, and the tree of any commit, checked out into a folder that is removed.

A service of a build runs as `build.command("services.gateway")` in `build.tree`. Invariant: such a process imports the
modules of its own tree, and the packages that its own `requirements.lock` pins.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.folder import ROOT

LOCK = "requirements.lock"


class NoSuchCommit(Exception):
    """The clone does not hold the commit; the message says how to fetch it."""


@dataclass(frozen=True, slots=True)
class Build:
    """A tree of sources and the Python that runs them."""

    commit: str
    """Full hash; empty for the working tree."""
    tree: Path
    python: str

    def command(self, module: str, *arguments: str) -> list[str]:
        """`python -m module arguments...`; its working directory must be `tree`, which then comes first on the path."""
        return [self.python, "-m", module, *arguments]

    def tidegauge(self, *arguments: str) -> list[str]:
        """The command line `tidegauge arguments...` of this build, to be run in `tree` likewise."""
        return [self.python, "-c", "from deploy.cli import app; app()", *arguments]


THIS = Build("", ROOT, sys.executable)
"""The working tree, run by the present interpreter."""


@contextmanager
def checked_out(commit: str, repository: Path = ROOT) -> Iterator[Build]:
    """The build of a commit; with an environment of its own where its lock is another (20 to 50 s)."""
    full = _resolved(commit, repository)
    with tempfile.TemporaryDirectory(prefix=f"tidegauge-{full[:7]}-") as name:
        tree = Path(name)
        packed = _git(repository, "archive", "--format=tar", full).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(tree, filter="data")
        same = (tree / LOCK).read_bytes() == (repository / LOCK).read_bytes()
        yield Build(full, tree, sys.executable if same else _environment(tree))


def _resolved(commit: str, repository: Path) -> str:
    found = _git(repository, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", check=False)
    if not found.returncode:
        return found.stdout.decode().strip()
    shallow = _git(repository, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
    remedy = "this clone is shallow: git fetch --unshallow" if shallow else "git fetch --all may bring it"
    raise NoSuchCommit(f"commit {commit} is not in {repository}; {remedy}")


def _git(repository: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=repository, check=check, stdout=subprocess.PIPE)


def _environment(tree: Path) -> str:
    """The Python of an environment that the tree's own script makes, of the present version of Python."""
    subprocess.run(
        ["deploy/local/environment.sh"], cwd=tree, env={**os.environ, "PYTHON": sys.executable}, check=True,
        stdout=sys.stderr,
    )  # fmt: skip
    return str(tree / ".venv/bin/python")
