"""The pure modules of the page, tested by Node itself: the URL, zones and ranges, numbers, charts, tokens."""

import subprocess
import sys

from deploy.local.folder import ROOT
from tests.e2e.clients.packages import node


def test_the_modules_of_the_page_hold_their_promises() -> None:
    """Node strips the types, so that nothing is built or installed for it."""
    subprocess.run([sys.executable, "-m", "web.build"], cwd=ROOT, check=True, capture_output=True)
    command = [node(), "--test", "src/**/*.test.ts"]
    done = subprocess.run(command, cwd=ROOT / "web", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]
