"""A service that ends is started again after a pause that grows; no end of one ends the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.folder import StateFolder
from deploy.local.process import Child, Died
from deploy.local.up.supervisor import FORGIVEN_S, LONGEST_PAUSE_S, PAUSE_S, Supervisor, Watched
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


def ending(code: int, folder: Path, said: list[str]) -> Watched:
    """A service that ends at once with this code."""
    child = Child("brief", folder / "brief.log", folder, cwd=folder)
    return Watched(child, ["sh", "-c", f"echo last words; exit {code}"], said.append)


@pytest.fixture
def watched(tmp_path: Path, said: list[str]) -> Iterator[Watched]:
    """A service that ends itself at once, as its watchdog would."""
    made = ending(70, tmp_path, said)
    yield made
    made.child.wait(10)


def end(watched: Watched, now_s: float, *, starting: bool = False) -> None:
    """Wait for the end, and let it be noticed."""
    watched.child.wait(10)
    watched.tend(now_s, starting=starting)


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


def test_the_pause_doubles_with_each_end_and_has_a_limit(watched: Watched, said: list[str]) -> None:
    """However often it ends, the run goes on; a pause is shortened at random by a quarter at most."""
    watched.start()
    now_s = 100.0
    for _ in range(7):
        end(watched, now_s)
        watched.tend(now_s + LONGEST_PAUSE_S)
        now_s += LONGEST_PAUSE_S

    pauses = [min(PAUSE_S * 2**number, LONGEST_PAUSE_S) for number in range(7)]
    again = [float(text.partition("again in ")[2].partition(" s")[0]) for text in said]
    assert [(0.75 * pause - 0.5 <= one <= pause + 0.5) for pause, one in zip(pauses, again, strict=True)] == [
        True
    ] * 7


def test_a_long_life_wipes_out_earlier_troubles(watched: Watched, said: list[str]) -> None:
    """The next pause is the first one again."""
    watched.start()
    for now_s in (100.0, 100.0 + 2 * FORGIVEN_S, 100.0 + 4 * FORGIVEN_S):
        end(watched, now_s)
        watched.tend(now_s + PAUSE_S)

    assert [text.partition("; ")[2][:12] for text in said] == ["again in 1 s"] * 3


def test_what_does_not_fit_stops_the_run_while_it_starts(tmp_path: Path, said: list[str]) -> None:
    """Code 1 says that starting again does not help; the error shows the end of the log."""
    watched = ending(1, tmp_path, said)
    watched.start()

    with pytest.raises(Died, match=r"brief ended with code 1(.|\n)*last words"):
        end(watched, 100.0, starting=True)


def test_what_does_not_fit_later_is_tried_again_at_the_longest_pause(tmp_path: Path, said: list[str]) -> None:
    """The rest of the system goes on, and the line says that something is to be mended."""
    watched = ending(1, tmp_path, said)
    watched.start()
    end(watched, 100.0)

    assert said[0].startswith("brief ended with code 1; mend what its last lines say; again in ")
    assert float(said[0].partition("again in ")[2].partition(" s")[0]) >= 0.7 * LONGEST_PAUSE_S


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
