"""The lines added to a log since the start, whole lines only.

Positions are bytes. Invariant: each line is written once; one that is not finished yet waits until it is.
"""

from collections.abc import Callable
from pathlib import Path


class Tail:
    """The end of a log, from the moment of its making."""

    def __init__(self, log: Path, write: Callable[[str], object]) -> None:
        self._log = log
        self._write = write
        self._at = log.stat().st_size if log.exists() else 0

    def show(self) -> None:
        """Write each line that has come since the previous call."""
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._at)
            whole, _, _ = log.read().rpartition(b"\n")
        if whole:
            self._at += len(whole) + 1
            for line in whole.decode(errors="replace").split("\n"):
                self._write(line)
