"""The supervisor: runs the children of `tidegauge up` and starts one again, after a pause that grows, when it ends.

Spans are seconds. A service that ends itself (code 70: its watchdog) is part of normal life. Invariant: three ends of
one child within half a minute stop the run, and the error shows the end of its log.
"""

import signal
import sys
from collections import deque

from deploy.local.folder import ROOT, StateFolder
from deploy.local.process import Child, bound_to_us
from deploy.local.servers.prerequisites import Say
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import spread

GIVE_UP_ENDS, GIVE_UP_S = 3, 30.0
"""So many ends within this span stop the run."""

PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
"""Longest pause before a restart: doubled each time up to the last, and spread."""

STOP_S = 15.0
"""How long a service may take to drain and end."""


class Watched:
    """A child that is started again whenever it ends."""

    def __init__(self, child: Child, command: list[str], say: Say) -> None:
        self.child = child
        self._command = command
        self._say = say
        self._ends: deque[float] = deque(maxlen=GIVE_UP_ENDS)
        self._pause_s = PAUSE_S
        self._due_s: float | None = None

    def start(self) -> None:
        """Start it for the first time."""
        self.child.start(bound_to_us(self._command))

    def tend(self, now_s: float) -> None:
        """Notice its end, start it again when its pause is over; the error when it ends too often."""
        if self.child.alive:
            return
        if self._due_s is None:
            self._ends.append(now_s)
            if len(self._ends) == GIVE_UP_ENDS and now_s - self._ends[0] < GIVE_UP_S:
                raise self.child.exit_error()
            # A long life wipes out earlier troubles.
            recent = sum(now_s - end < GIVE_UP_S for end in self._ends)
            self._pause_s = spread(min(PAUSE_S * 2 ** (recent - 1), LONGEST_PAUSE_S))
            self._due_s = now_s + self._pause_s
            self._say(
                f"{self.child.name} ended with code {self.child.exit_code}; "
                f"again in {self._pause_s:.0f} s (see {self.child.log})"
            )
        elif now_s >= self._due_s:
            self._due_s = None
            self.start()


class Supervisor:
    """All the children beside the servers: services, the demo traffic and the sink."""

    def __init__(self, folder: StateFolder, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._watched: list[Watched] = []
        self._last: set[str] = set()

    def start(self, name: str, module: str, environ: dict[str, str], *, last: bool = False) -> None:
        """Start `python -m module` and watch it from now on; `last`: the others are stopped before it."""
        log = self._folder.log / f"{name}.log"
        child = Child(name, log, self._folder.path, environ=environ, cwd=ROOT)
        watched = Watched(child, [sys.executable, "-m", module], self._say)
        self._watched.append(watched)
        if last:
            self._last.add(name)
        watched.start()

    def tend(self) -> None:
        """Look after all of them once."""
        now_s = monotonic_s()
        for watched in self._watched:
            watched.tend(now_s)

    def stop(self) -> None:
        """End all, who writes before who reads; by force when that takes too long."""
        for watched in sorted(self._watched, key=lambda watched: watched.child.name in self._last):
            watched.child.stop(signal.SIGTERM, STOP_S)

    def child(self, name: str) -> Child:
        """One of them by its name."""
        return next(watched.child for watched in self._watched if watched.child.name == name)

    def kill(self) -> None:
        """End all at once."""
        for watched in self._watched:
            watched.child.kill()
