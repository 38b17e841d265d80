"""A folder that one process writes and sends from, as long as it holds the lock in it.

The kernel drops the lock with the process, however that ends; then another may adopt the folder. Invariant: of all
processes on a host at most one has a folder. Folders and files are readable by their owner alone.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

LOCK = "lock"
MAKING = "new-"
"""How the name of a folder begins whose lock is not taken yet."""


class WriterFolder:
    """A folder and its lock."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls, above: Path, signal: str) -> Self:
        """A new one; it has its name once it is locked, so that nobody adopts it before. Raises `OSError`."""
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{signal}-{uuid4().hex}"
        making = above / f"{MAKING}{name}"
        making.mkdir(mode=0o700)
        lock = os.open(making / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            making.rename(above / name)
        except OSError:  # a file system without locks, say
            os.close(lock)
            (making / LOCK).unlink()
            making.rmdir()
            raise
        return cls(above / name, lock)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """One whose process has ended; None: it has not, or another process was faster."""
        with suppress(OSError):
            lock = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever emptied the folder has removed the file with this lock.
                if (path / LOCK).stat().st_ino == os.fstat(lock).st_ino:
                    return cls(path, lock)
            os.close(lock)
        return None

    def release(self) -> None:
        """Leave it to others, and nothing where nothing is in it."""
        with suppress(OSError):
            if {entry.name for entry in self.path.iterdir()} == {LOCK}:
                (self.path / LOCK).unlink()
                self.path.rmdir()
        self.forget()

    def forget(self) -> None:
        """In a forked child: the parent has the lock as long as it has not closed it too."""
        with suppress(OSError):
            os.close(self._lock)
