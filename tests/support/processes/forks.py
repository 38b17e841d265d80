"""Processes of a service that start at once: forked from one that has imported everything.

A fork runs `python -m services.<name>` from its first line and shares nothing but the imports.
"""

import asyncio
import multiprocessing
import os
import runpy
import signal
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from shared.runtime.lifecycle import EXIT_GIVEN_UP
from tests.support.wait import until

_context = multiprocessing.get_context("forkserver")


def preload(service: str) -> None:
    """Import this service once for all forks; call it before the first one."""
    _context.set_forkserver_preload([f"services.{service}.app", f"services.{service}.settings", __name__])


def _run(service: str, environ: Mapping[str, str], log: str) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(environ)
    runpy.run_module(f"services.{service}", run_name="__main__")


class Fork:
    """One process."""

    def __init__(self, service: str, environ: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._job = service, dict(environ), str(log)
        self._process: ForkServerProcess

    async def start(self) -> "Fork":
        """Start it."""
        self._process = _context.Process(target=_run, args=self._job, daemon=True)
        await asyncio.to_thread(self._process.start)
        return self

    async def keep(self) -> None:
        """Start it again if it has ended itself, as a supervisor would."""
        if self.code == EXIT_GIVEN_UP:
            await self.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid or 0

    @property
    def code(self) -> int | None:
        """Its exit code; None: it has not ended."""
        return self._process.exitcode

    @property
    def frozen(self) -> bool:
        """Whether it is stopped by a signal."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except FileNotFoundError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.code is None:
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """Make sure that it is gone."""
        self.signal(signal.SIGKILL)

        async def gone() -> bool:
            return self.code is not None

        await until(gone, f"process {self.pid} is gone", 10)
