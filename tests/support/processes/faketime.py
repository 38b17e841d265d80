"""A process with a wrong clock: libfaketime moves the wall clock that it reads, and leaves the monotonic one alone.

The library is that of the machine; where there is none, root installs the Debian package. `python -m
tests.support.processes.faketime` does so ahead of the tests, whose patience is shorter than a download may take.
"""

import fcntl
import tempfile
from pathlib import Path

from deploy.local.servers.prerequisites import Say, install
from shared.errors import Misconfigured

PLACES = (
    "usr/lib/*/faketime/libfaketime.so.1",
    "usr/lib*/faketime/libfaketime.so.1",
    "opt/homebrew/lib/faketime/libfaketime.1.dylib",
)
"""Where distributions put it."""

ADVICE = """libfaketime is missing, and the tests of wrong clocks need it. Install it:
  Debian, Ubuntu:  sudo apt-get install -y --no-install-recommends faketime
  Fedora, RHEL:    sudo dnf install -y libfaketime
  macOS:           brew install libfaketime"""


def library(say: Say = print) -> Path:
    """The library to preload; newly installed where it is missing. Raises `Misconfigured`."""
    # Several test processes may ask at once, and apt serves one.
    with (Path(tempfile.gettempdir()) / "tidegauge-faketime.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (found := _found()) is None:
            install(("faketime",), say, ADVICE)
            found = _found()
    if found is None:
        raise Misconfigured(ADVICE)
    return found


def _found() -> Path | None:
    return next((path for place in PLACES for path in sorted(Path("/").glob(place))), None)


def wrong_clock(ahead_s: int) -> dict[str, str]:
    """What the environment of a process holds whose clock is so far ahead; below 0 it is behind."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{ahead_s:+d}",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


if __name__ == "__main__":
    library()
