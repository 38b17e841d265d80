"""A child process: started, signalled, waited for, its log kept.

Spans are seconds. A child leads a session of its own, so that Ctrl-C reaches only the supervisor. Invariant: no child
outlives the supervisor, even when SIGKILL ends that one (on Linux; elsewhere the next run ends what is left).
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from shared.errors import TidegaugeError

MARK = "TIDEGAUGE_OWNER"
"""Environment variable of every child: the state folder it belongs to. A recycled process id has no such mark."""

TAIL_LINES = 25
"""How much of a log is shown when its process has died."""

# The kernel sends a child its death signal when the *thread* that forked it ends, so one thread forks them all and
# lives as long as this process.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


class Died(TidegaugeError):
    """A child ended although it was needed; the message holds the end of its log."""


def bound_to_us(command: Sequence[str]) -> list[str]:
    """The command, such that the kernel kills it when we are gone."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else list(command)


class Child:
    """One process at a time, started again at will; all of them write to one log."""

    def __init__(
        self, name: str, log: Path, owner: Path, *, environ: Mapping[str, str] | None = None, cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        self._environ = {**os.environ, **(environ or {}), MARK: str(owner)}
        self._cwd = cwd
        self._log_from = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the present or the last process."""
        if self._process is None:
            raise Died(f"{self.name} was never started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, or None while it runs or when it was never started."""
        return self._process.poll() if self._process else None

    @property
    def alive(self) -> bool:
        """Whether it runs; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str]) -> None:
        """Start the process; what it prints goes to the end of the log."""
        if self.alive:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self._log_from = out.tell()
            self._process = _forker.submit(
                subprocess.Popen,
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=self._environ,
                start_new_session=True,
            ).result()

    def wait(self, limit_s: float) -> int | None:
        """Wait for the end; None when it has not come by then."""
        if self._process is None:
            return None
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def signal_tree(self, number: int) -> None:
        """Signal the process and all it has started, parents first."""
        if not self.alive:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the whole tree and wait until it is gone."""
        self.signal_tree(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self, number: int, limit_s: float) -> None:
        """End it tidily, and by force when it takes too long or is frozen beyond waking."""
        if not self.alive:
            return
        self.signal_tree(signal.SIGCONT)
        os.kill(self.pid, number)
        if self.wait(limit_s) is None:
            self.kill()

    def log_end(self) -> str:
        """The end of what the present or last process wrote."""
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in lines[-TAIL_LINES:]) or "  | (it wrote nothing)"

    def exit_error(self) -> Died:
        """The error that says how it died and shows the end of its log."""
        return Died(f"{self.name} ended with code {self.exit_code}; the end of {self.log}:\n{self.log_end()}")
