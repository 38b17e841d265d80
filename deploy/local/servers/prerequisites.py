"""Finds Java and Maven, which the local broker needs; installs them where apt and root allow it.

Each installation is announced. A machine where it is not possible gets the exact command in the error.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from shared.errors import Misconfigured

INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "default-jre-headless", "maven")

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
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"{what} is missing; installing it: {' '.join(INSTALL)}")
        _install()
    if found := shutil.which(name):
        return found
    raise Misconfigured(ADVICE.format(what=what))


def _install() -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)

    done = run(*INSTALL)
    if done.returncode:
        # A fresh container has no package lists yet.
        run("apt-get", "update")
        done = run(*INSTALL)
    if done.returncode:
        raise Misconfigured(
            f"{' '.join(INSTALL)} failed:\n{done.stderr}\n{ADVICE.format(what='Java or Maven')}"
        )
