"""The supervisor: runs the children of `tidegauge up` and starts one again, after a pause that grows, when it ends.

Spans are seconds. A service that ends itself (code 70) is part of normal life. Invariant: once everything has started,
no end of a child stops the run; before that, code 1 does, for starting again does not help, and the error shows the end
of its log.
"""

import signal
import sys

from deploy.local.folder import ROOT, StateFolder
from deploy.local.process import Child, bound_to_us
from deploy.local.servers.prerequisites import Say
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import EXIT_MISCONFIGURED
from shared.runtime.retry import spread

PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Pause before a restart, doubled with each end up to the last, and spread; after code 1 it is the last at once."""

FORGIVEN_S = 60.0
"""A child that has lived for so long begins with the first pause again."""

STOP_S = 15.0
"""How long a service may take to drain and end."""


class Watched:
    """A child that is started again whenever it ends."""

    def __init__(self, child: Child, command: list[str], say: Say) -> None:
        self.child = child
        self._command = command
        self._say = say
        self._pause_s = 0.0
        self._due_s: float | None = None
        self._started_s: float | None = None
        """When it was last started again."""

    def start(self) -> None:
        """Start it for the first time."""
        self.child.start(bound_to_us(self._command))

    def tend(self, now_s: float, *, starting: bool = False) -> None:
        """Notice its end, and start it again when its pause is over.

        While everything is `starting`, an end with code 1 raises the error that shows its log.
        """
        if self.child.alive:
            return
        if self._due_s is None:
            if starting and self.child.exit_code == EXIT_MISCONFIGURED:
                raise self.child.exit_error()
            self._put_off(now_s)
        elif now_s >= self._due_s:
            self._due_s, self._started_s = None, now_s
            self.start()

    def _put_off(self, now_s: float) -> None:
        misconfigured = self.child.exit_code == EXIT_MISCONFIGURED
        self._pause_s = LONGEST_PAUSE_S if misconfigured else self._next_pause_s(now_s)
        again_s = spread(self._pause_s)
        self._due_s = now_s + again_s
        remedy = "mend what its last lines say; " if misconfigured else ""
        self._say(
            f"{self.child.name} ended with code {self.child.exit_code}; {remedy}"
            f"again in {again_s:.0f} s (see {self.child.log})"
        )

    def _next_pause_s(self, now_s: float) -> float:
        if self._started_s is None or now_s - self._started_s >= FORGIVEN_S:
            return PAUSE_S
        return min(2 * self._pause_s, LONGEST_PAUSE_S)


class Supervisor:
    """All the children beside the servers: services, the demo traffic and the sink."""

    def __init__(self, folder: StateFolder, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._watched: list[Watched] = []
        self._last: set[str] = set()
        self._starting = True

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
            watched.tend(now_s, starting=self._starting)

    def started(self) -> None:
        """Everything is up: from now on no end of a child stops the run."""
        self._starting = False

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
