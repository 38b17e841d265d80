"""Packages from PyPI that tests alone need: frameworks of applications that embed a client, and a server for them.

`frameworks.txt` pins each by its hashes. They are installed where they are missing, apart from the environment, which
holds what the lock says.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from deploy.local.folder import ROOT
from shared.errors import Misconfigured

PINS = Path(__file__).with_name("frameworks.txt")
"""Made by `uv pip compile --generate-hashes --universal --no-annotate --no-header` of what `frameworks` names."""


def frameworks() -> Path:
    """A folder for the module path with Flask, Django, Falcon and gunicorn. Raises `Misconfigured`."""
    return installed("frameworks", PINS, "--no-deps")


def installed(kind: str, pins: Path, *options: str) -> Path:
    """A folder for the module path with what a file pins by hashes. Raises `Misconfigured`."""

    def fill(folder: Path) -> None:
        arguments = ["pip", "install", "-q", "--require-hashes", *options, "--python", sys.executable]
        command = [_uv(), *arguments, "--target", str(folder / "lib"), "-r", str(pins)]
        check(subprocess.run(command, check=False, capture_output=True, text=True))

    return once(kind, [pins], fill) / "lib"


def once(kind: str, files: Sequence[Path], fill: Callable[[Path], None]) -> Path:
    """A folder that is filled once for each content of these files; several test processes may ask at once."""
    content = b"".join(file.read_bytes() for file in files)
    folder = ROOT / ".venv" / kind / sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            fill(folder)
            (folder / "complete").touch()
    return folder


def check(done: "subprocess.CompletedProcess[Any]") -> None:
    """Raise `Misconfigured` for a command that failed."""
    if done.returncode:
        raise Misconfigured(f"{' '.join(map(str, done.args))} failed:\n{done.stderr}")


def _uv() -> str:
    """What has made the environment: in it, or on the path."""
    found = shutil.which("uv", path=os.pathsep.join([str(ROOT / ".venv/bin"), os.environ.get("PATH", "")]))
    if found is None:
        raise Misconfigured("uv is missing: make env")
    return found
