"""A server under supervision: ours, described by a recipe and run as a child, or given by its address.

Spans are seconds. A server is ready when it answers a real request.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from deploy.local.folder import StateFolder
from deploy.local.process import Child
from shared.errors import TidegaugeError, Unavailable
from shared.runtime.clock import monotonic_s

READY_S = 60.0
"""How long a server may take to answer after its start."""

GIVEN_S = 10.0
"""How long a server that was given by its address may take to answer."""

STOP_S = 15.0
"""How long a tidy stop may take."""

POLL_S = 0.03
"""Pause between two checks."""


class Recipe(Protocol):
    """How one kind of server is made; one file each: kafka, postgres, redis."""

    name: str
    address: str
    stop_signal: signal.Signals

    def prepare(self) -> None:
        """Make what the first start needs; may leave work running for `command` to wait for."""

    def command(self) -> Sequence[str]:
        """The command that runs the server in the foreground."""

    def answers(self) -> bool:
        """Whether it answers a real request now."""


class Server(Protocol):
    """What a stack and its users do with a server."""

    @property
    def name(self) -> str:
        """Its kind: kafka, postgres or redis."""

    @property
    def address(self) -> str:
        """Where clients reach it."""

    @property
    def pid(self) -> int:
        """Process id of its main process."""

    def prepare(self) -> None:
        """Make what the first start needs."""

    def start(self) -> None:
        """Start it; does not wait."""

    def wait_ready(self, limit_s: float = READY_S) -> None:
        """Wait until it answers a real request."""

    def stop(self) -> None:
        """End it tidily and wait."""

    def kill(self) -> None:
        """SIGKILL it and all its children, and wait."""

    def freeze(self) -> None:
        """SIGSTOP it and all its children."""

    def thaw(self) -> None:
        """SIGCONT it and all its children."""


class OwnServer:
    """A server that we start and stop."""

    def __init__(self, recipe: Recipe, folder: StateFolder) -> None:
        self._recipe = recipe
        self.name = recipe.name
        self.address = recipe.address
        self._child = Child(self.name, folder.log / f"{self.name}.log", folder.path, cwd=folder.path)

    @property
    def pid(self) -> int:
        """Process id of its main process."""
        return self._child.pid

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self._child.log

    def prepare(self) -> None:
        """Make what the first start needs."""
        self._recipe.prepare()

    def start(self) -> None:
        """Start it, or do nothing when it runs."""
        if not self._child.alive:
            self._child.start(self._recipe.command())

    def wait_ready(self, limit_s: float = READY_S) -> None:
        """Wait until it answers; `Died` or `Unavailable` with the end of its log when it does not."""
        deadline = monotonic_s() + limit_s
        while not self._recipe.answers():
            if self._child.wait(POLL_S) is not None:
                raise self._child.exit_error()
            if monotonic_s() > deadline:
                problem = f"no answer at {self.address} in {limit_s:.0f} s"
                raise Unavailable(self.name, f"{problem}; the end of {self.log}:\n{self._child.log_end()}")

    def stop(self) -> None:
        """End it tidily, by force after a while."""
        self._child.stop(self._recipe.stop_signal, STOP_S)

    def kill(self) -> None:
        """SIGKILL it and all its children."""
        self._child.kill()

    def freeze(self) -> None:
        """SIGSTOP it and all its children."""
        self._child.signal_tree(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT it and all its children."""
        self._child.signal_tree(signal.SIGCONT)


class NotOurs(TidegaugeError):
    """A given server has no process of ours to stop, kill or freeze."""


class GivenServer:
    """A server that somebody else runs: used, never started or stopped."""

    def __init__(self, name: str, address: str, answers: Callable[[], bool]) -> None:
        self.name = name
        self.address = address
        self._answers = answers

    @property
    def pid(self) -> int:
        """A given server has none that we know."""
        raise self._refusal("has no process of ours")

    def prepare(self) -> None:
        """Nothing is prepared for a server that runs already."""

    def start(self) -> None:
        """It runs already."""

    def stop(self) -> None:
        """It is not ours to stop, and goes on."""

    def wait_ready(self, limit_s: float = GIVEN_S) -> None:
        """Check that somebody answers at the address."""
        deadline, pause = monotonic_s() + min(limit_s, GIVEN_S), threading.Event()
        while not self._answers():
            if monotonic_s() > deadline:
                variable = f"TIDEGAUGE_{self.name.upper()}"
                raise Unavailable(
                    self.name,
                    f"no answer at the address that {variable} gives; "
                    f"correct it, or unset {variable} to have a server started here",
                )
            pause.wait(POLL_S)

    def kill(self) -> None:
        """Refused."""
        raise self._refusal("cannot be killed")

    def freeze(self) -> None:
        """Refused."""
        raise self._refusal("cannot be frozen")

    def thaw(self) -> None:
        """Refused."""
        raise self._refusal("cannot be thawed")

    def _refusal(self, what: str) -> NotOurs:
        return NotOurs(
            f"{self.name} {what}: TIDEGAUGE_{self.name.upper()} gives its address, somebody else runs it"
        )
