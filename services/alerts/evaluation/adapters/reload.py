"""Keeps the rule set as the rule file says, without a restart.

Spans are seconds. Invariant: the file counts whole or not at all; while it is wrong, the rules before it go on.
"""

import asyncio
import os
import signal

import structlog

from shared.alerts.rules.file import load
from shared.alerts.rules.model import RuleSet
from shared.errors import Misconfigured
from shared.runtime.retry import until_set

LOOK_EVERY_S = 1.0
"""Time between two looks whether the file has changed."""

Stamp = tuple[int, int, int]
"""What changes with a file."""

_log = structlog.get_logger(__name__)


class RuleFile:
    """The rule file, and the rule set that follows it."""

    def __init__(self, path: str) -> None:
        """Read it for the first time; raise `Misconfigured` with all that is wrong with it."""
        self._path = path
        self._stamp = _stamp(path)
        self._asked = asyncio.Event()
        self.rule_set = RuleSet()
        self.rule_set.replace(load(path))

    async def follow(self) -> None:
        """Read it again for ever: on SIGHUP and when it has changed."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)
        while True:
            await until_set(self._asked, LOOK_EVERY_S)
            stamp = _stamp(self._path)
            if self._asked.is_set() or stamp != self._stamp:
                self._asked.clear()
                self._stamp = stamp
                await self._read()

    async def _read(self) -> None:
        try:
            # In a thread: a large file takes longer than the event loop may stand still.
            rules = await asyncio.to_thread(load, self._path)
        except Misconfigured as problem:
            _log.error("rules not taken over; the old ones go on", problems=str(problem).splitlines())
            return
        self.rule_set.replace(rules)
        _log.info("rules taken over", rules=len(rules))


def _stamp(path: str) -> Stamp | None:
    """None: there is no such file."""
    try:
        found = os.stat(path)  # noqa: PTH116 # one system call, and its error tells what it should
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
