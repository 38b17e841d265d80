"""A newcomer's first minute: one command, real windows, two commands to try, Ctrl-C, and nothing is left."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from deploy.local.folder import StateFolder
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

END_OF_TEXT = "Ctrl-C stops everything"
TIDEGAUGE = str(Path(sys.executable).with_name("tidegauge"))


@dataclass
class Run:
    """A running `tidegauge up` and what it printed until it was ready."""

    folder: Path
    process: subprocess.Popen[str]
    printed: str

    def printed_command(self, path: str) -> str:
        """The printed curl command that calls a path."""
        lines = [line.strip() for line in self.printed.splitlines()]
        return next(line for line in lines if line.startswith("curl ") and path in line)


def environ() -> dict[str, str]:
    """This environment without the addresses of another system."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("TIDEGAUGE_", "GATEWAY_"))}


def shell(command: str, folder: Path) -> str:
    """What a command prints."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def belonging_to(folder: Path) -> list[psutil.Process]:
    """Every process of the system in a folder."""
    state = StateFolder(folder)
    return [process for process in psutil.process_iter() if state._is_ours(process)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """The system, started as a newcomer starts it, and ready."""
    with subprocess.Popen(
        [TIDEGAUGE, "up"],
        cwd=tmp_path,
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith(END_OF_TEXT):
                break
        yield Run(tmp_path, process, "".join(lines))
        process.kill()


async def test_the_first_minute(run: Run) -> None:
    """What is printed is true, what is to be tried works, and the end is clean."""
    assert re.search(r"first closed window, \d+\.\d s after the start", run.printed), run.printed
    assert shell('eval "$($0 env)" && echo $TIDEGAUGE_URL'.replace("$0", TIDEGAUGE), run.folder).startswith(
        "http://"
    )

    answer = json.loads(shell(run.printed_command("/v1/telemetry"), run.folder))
    assert answer["accepted"] == 1

    async def has_window(final: bool) -> bool:
        assert run.process.poll() is None
        found = json.loads(shell(run.printed_command("/v1/windows"), run.folder))["windows"]
        return [42.0] == [window["sum"] for window in found if window["final"] is final]

    await until(lambda: has_window(False), "the posted point is in a live window", 30)
    await until(lambda: has_window(True), "the posted point is in a closed window", 60)

    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(60) == 0
    assert belonging_to(run.folder) == []
    assert "no system runs in this folder" in shell(f"{TIDEGAUGE} env 2>&1 || true", run.folder)
