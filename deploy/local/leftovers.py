"""What a previous run of a state folder left behind: found by its mark, and killed.

Spans are seconds. Invariant: only processes of this folder are killed, and only by the holder of its lock.
"""

import contextlib
import os

import psutil  # type: ignore[import-untyped]  # ships no types

from deploy.local.folder import StateFolder
from deploy.local.process import MARK

KILL_S = 10.0
"""How long what a previous run left may take to vanish after SIGKILL."""


def end_leftovers(state: StateFolder) -> list[str]:
    """Kill what a previous run of this folder left behind; only the holder of the lock may."""
    left = [process for process in psutil.process_iter() if is_ours(state, process)]
    names = []
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            names.append(f"{process.name()} ({process.pid})")
            process.kill()
    psutil.wait_procs(left, timeout=KILL_S)
    return names


def is_ours(state: StateFolder, process: psutil.Process) -> bool:
    """Whether a run of this folder started it; not this process, and none that has ended."""
    # Postgres overwrites its environment with its process title, but works in its data folder.
    with contextlib.suppress(psutil.Error, OSError):
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(MARK) == str(state.path):
            return True
        return bool(process.name() == "postgres" and process.cwd() == str(state.data / "postgres"))
    return False
