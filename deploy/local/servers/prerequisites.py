"""Finds Java and Maven, which the local broker needs; installs them where apt and root allow it.

Each installation is announced. A machine where it is not possible gets the exact command in the error.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.errors import Misconfigured

INSTALL = ("apt-get", "install", "-y", "--no-install-recommends")

PACKAGES = ("default-jre-headless", "maven")
"""Debian's packages of both."""

ADVICE = """{what} is missing, and the local Kafka needs it. Install it:
  Debian, Ubuntu:  sudo apt-get install -y --no-install-recommends default-jre-headless maven
  Fedora, RHEL:    sudo dnf install -y java-17-openjdk-headless maven
  macOS:           brew install openjdk maven
or do without it:
  TIDEGAUGE_KAFKA=host:port   uses a broker that runs somewhere already
  docker compose up           runs the whole system in containers"""

Say = Callable[[str], None]


def java(say: Say) -> str:
    """The Java launcher: of JAVA_HOME, of the path, or newly installed."""
    home = Path(os.environ.get("JAVA_HOME") or "/nowhere") / "bin/java"
    return str(home) if home.exists() else _program("java", "Java", say)


def maven(say: Say) -> str:
    """Maven's launcher."""
    return _program("mvn", "Maven", say)


def _program(name: str, what: str, say: Say) -> str:
    if found := shutil.which(name):
        return found
    advice = ADVICE.format(what=what)
    install(PACKAGES, say, advice)
    if found := shutil.which(name):
        return found
    raise Misconfigured(advice)


def install(packages: Sequence[str], say: Say, advice: str) -> None:
    """Install Debian packages that are missing, where root and apt are there; else do nothing.

    Raises `Misconfigured`, with what apt says and the advice, when it fails.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    command = (*INSTALL, *packages)
    say(f"{', '.join(packages)} is missing; installing it: {' '.join(command)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)

    done = run(*command)
    if done.returncode:
        # A fresh container has no package lists yet.
        run("apt-get", "update")
        done = run(*command)
    if done.returncode:
        raise Misconfigured(f"{' '.join(command)} failed:\n{done.stderr}\n{advice}")
