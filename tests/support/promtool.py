"""promtool, the reference for rule files: found, or installed where that is allowed.

A test that needs it fails without it; it never passes or is skipped.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "prometheus")


def find() -> str:
    """Its path; as root on Debian and Ubuntu it is installed when it is missing."""
    if not shutil.which("promtool") and os.geteuid() == 0 and shutil.which("apt-get"):
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (INSTALL, ("apt-get", "update"), INSTALL):
            if not shutil.which("promtool"):
                subprocess.run(command, env=environ, check=False, capture_output=True)
    found = shutil.which("promtool")
    assert found, f"promtool is missing: sudo {' '.join(INSTALL)}"
    return found


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and all that it says."""
    done = subprocess.run([find(), *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def written(
    folder: Path, number: int, groups: Sequence[dict[str, Any]], tests: Sequence[dict[str, Any]]
) -> Path:
    """A file of tests, in steps of 10 s, beside its file of rules."""
    rules, path = folder / f"rules-{number}.yml", folder / f"tests-{number}.yml"
    rules.write_text(yaml.safe_dump({"groups": groups}))
    asked = {"rule_files": [rules.name], "evaluation_interval": "10s", "tests": tests}
    path.write_text(yaml.safe_dump(asked))
    return path
