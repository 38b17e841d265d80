"""Ctrl-C and SIGTERM: the first ends the run tidily, the second kills every child and exits at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

FORCED = 130
"""Exit code after a second Ctrl-C."""


class Stopping(BaseException):
    """The user wants an end; raised where the main thread happens to be."""


class Interrupt:
    """Whether an end was asked for, and what to do when it is asked for again."""

    def __init__(self) -> None:
        self.force: list[Callable[[], None]] = []
        self._asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._asked:
            for kill in self.force:
                kill()
            os._exit(FORCED)
        self._asked = True
        raise Stopping


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Until the end of the block the first signal raises `Stopping`, the second kills and exits."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
