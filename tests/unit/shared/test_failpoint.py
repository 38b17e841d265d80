"""The points at which a process can be ended or frozen."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from shared.runtime import failpoint

ROOT = Path(__file__).parents[3]

PASSES = """
import sys
from shared.runtime import failpoint
failpoint.arm(sys.argv[1])
for name in ("folded", "cut", "folded", "cut", "folded"):
    failpoint.hit(name)
    print(name, flush=True)
"""


def started(armed: str) -> subprocess.Popen[bytes]:
    """A process that passes a few points."""
    return subprocess.Popen([sys.executable, "-c", PASSES, armed], cwd=ROOT, stdout=subprocess.PIPE)


def test_every_point_stands_at_one_place_and_is_listed() -> None:
    """A point that is passed but not listed could not be armed; one that is listed only would never be reached."""
    folders = ("shared", "services", "deploy")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    passed = Counter(name for text in sources for name in re.findall(r'failpoint\.hit\("(\w+)"\)', text))

    assert dict.fromkeys((*failpoint.POINTS, *failpoint.ARCHIVE_POINTS), 1) == passed


@pytest.mark.parametrize(
    ("armed", "said"),
    [
        pytest.param("folded", "not name:passage", id="no passage"),
        pytest.param("folded:0:exit", "not name:passage", id="passage 0"),
        pytest.param("folded:1:burn", "not name:passage", id="no such way"),
        pytest.param("flooded:1:exit", "no point 'flooded'; there are fetched, decoded", id="no such point"),
    ],
)
def test_what_cannot_be_armed_is_refused(armed: str, said: str) -> None:
    """By name, with the names that there are."""
    with pytest.raises(Misconfigured, match=said):
        failpoint.arm(armed)


def test_unarmed_points_are_passed() -> None:
    """Without the variable nothing happens."""
    with started("") as process:
        assert (b"folded\ncut\nfolded\ncut\nfolded\n", 0) == (
            process.communicate(timeout=20)[0],
            process.returncode,
        )


def test_a_process_ends_at_its_passage() -> None:
    """Hard, with a code of its own; what it did before is done."""
    with started("folded:2:exit") as process:
        said, _ = process.communicate(timeout=20)

    assert failpoint.EXIT_CRASHED == process.returncode
    assert said.startswith(b"folded\ncut\n")
    assert said.count(b"\nfolded\n") == 0


def test_a_process_freezes_at_its_passage_and_goes_on() -> None:
    """It stands still until it is let go on, and passes the point from then on."""
    with started("folded:2:freeze") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        stopped = os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=20)

    assert stopped
    assert (0, 3) == (process.returncode, len(re.findall(rb"^folded$", said, re.MULTILINE)))
