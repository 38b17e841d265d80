"""A service that ends is started again after a pause that grows; one that keeps ending stops the run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.folder import StateFolder
from deploy.local.process import Child, Died
from deploy.local.up.supervisor import LONGEST_PAUSE_S, Supervisor, Watched
from tests.support.wait import until

LEAVING = """
import os, signal

def leave(*_):
    with open(os.environ["LEFT"], "a") as left:
        left.write(os.environ["NAME"] + " ")
    raise SystemExit

signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
signal.pause()
"""
"""A child that notes when it is told to end."""


@pytest.fixture
def said() -> list[str]:
    """What was told to the user."""
    return []


@pytest.fixture
def watched(tmp_path: Path, said: list[str]) -> Iterator[Watched]:
    """A service that ends itself at once, as its watchdog would."""
    child = Child("brief", tmp_path / "brief.log", tmp_path, cwd=tmp_path)
    yield Watched(child, ["sh", "-c", "echo last words; exit 70"], said.append)
    child.wait(10)


def end(watched: Watched, now_s: float) -> None:
    """Wait for the end, and let it be noticed."""
    watched.child.wait(10)
    watched.tend(now_s)


def test_it_is_started_again_after_a_pause(watched: Watched, said: list[str]) -> None:
    """Not before the pause is over, and a line says why."""
    watched.start()
    first = watched.child.pid
    end(watched, 100.0)
    watched.tend(100.7)
    assert watched.child.pid == first

    watched.tend(101.0)

    assert watched.child.pid != first
    assert len(said) == 1
    assert said[0].startswith("brief ended with code 70; again in 1 s")


def test_the_third_end_in_half_a_minute_stops_the_run(watched: Watched) -> None:
    """The error shows the end of the log."""
    watched.start()
    for now_s in (100.0, 110.0):
        end(watched, now_s)
        watched.tend(now_s + LONGEST_PAUSE_S)

    with pytest.raises(Died, match=r"brief ended with code 70(.|\n)*last words"):
        end(watched, 129.0)


def test_rare_ends_never_stop_the_run(watched: Watched, said: list[str]) -> None:
    """A long life wipes out earlier troubles."""
    watched.start()
    for now_s in (100.0, 200.0, 300.0, 400.0):
        end(watched, now_s)
        watched.tend(now_s + LONGEST_PAUSE_S)

    assert [text.partition(";")[2][:12] for text in said] == [" again in 1 s"[:12]] * 4


async def test_who_is_told_ends_after_who_tells(tmp_path: Path, said: list[str]) -> None:
    """What is started to be last is stopped last, though it was started first."""
    (tmp_path / "leaving.py").write_text(LEAVING)
    left, folder = tmp_path / "left", StateFolder(tmp_path)
    supervisor = Supervisor(folder, said.append)
    for name, last in (("sink", True), ("gateway", False), ("alerts", False)):
        environ = {"PYTHONPATH": str(tmp_path), "LEFT": str(left), "NAME": name}
        supervisor.start(name, "leaving", environ, last=last)

    async def ready() -> bool:
        return all((folder.log / f"{name}.log").read_text() for name in ("sink", "gateway", "alerts"))

    await until(ready, "all can be told to end", 30)
    supervisor.stop()

    assert left.read_text() == "gateway alerts sink "
