"""amtool and Alertmanager, the references for silences and alerts: found, or installed where that is allowed.

A test that needs them fails without them; it never passes or is skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "prometheus-alertmanager")


def find(program: str = "amtool") -> str:
    """Its path; as root on Debian and Ubuntu it is installed when it is missing."""
    if not shutil.which(program) and os.geteuid() == 0 and shutil.which("apt-get"):
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (INSTALL, ("apt-get", "update"), INSTALL):
            if not shutil.which(program):
                subprocess.run(command, env=environ, check=False, capture_output=True)
    found = shutil.which(program)
    assert found, f"{program} is missing: sudo {' '.join(INSTALL)}"
    return found


def amtool(url: str, key: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and what amtool says, with a key as its bearer token; where it fails, why as well."""
    config = folder / "amtool-http.yml"
    config.write_text(f"authorization:\n  credentials: {key}\n")
    command = [find(), f"--alertmanager.url={url}", f"--http.config.file={config}", *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"HOME": str(folder)},
    )
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")
