"""The state folder `.tidegauge/`: paths of data and logs, small remembered files, and the lock.

One system runs in a folder at a time. The kernel holds the lock and releases it when its holder ends, however that
happens. Invariant: a second supervisor in the same folder is refused before it touches a file.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.errors import TidegaugeError

ROOT = Path(__file__).resolve().parents[2]
"""The project's own folder: where its modules are started from."""


class Occupied(TidegaugeError):
    """Another system runs in this folder."""


class StateFolder:
    """The paths below `.tidegauge/` and the small files that are remembered there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve() / ".tidegauge"
        self.data = self.path / "data"
        self.log = self.path / "log"

    @property
    def holder(self) -> int | None:
        """Process id of the supervisor that runs here, if one does."""
        lock = self.path / "lock"
        if not lock.exists():
            return None
        with lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
        return None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder; `Occupied` says who else does and how to stop that one."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise Occupied(
                    f"a system runs in {self.path.parent} already (process {file.read()}); "
                    "stop it by Ctrl-C where it was started, or by `tidegauge down` in this folder"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def forget(self) -> None:
        """Remove data, logs, keys and ports; the lock stays."""
        for name in ("data", "log"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in ("ports.json", "keys.json", "running.json", "roles.json", "postgres.password"):
            (self.path / name).unlink(missing_ok=True)

    def recall(self, name: str) -> dict[str, Any]:
        """What was remembered under a name; empty when nothing was."""
        try:
            found = json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return {}
        if not isinstance(found, dict):
            raise TypeError(f"{self.path / name} is not a JSON object; remove it")
        return found

    def remember(self, name: str, value: dict[str, Any]) -> None:
        """Keep a small object, readable by its owner only: keys and passwords are among them."""
        self.write_secret(name, json.dumps(value, indent=2) + "\n")

    def write_secret(self, name: str, text: str) -> Path:
        """Write a file that only its owner reads, all of it or none."""
        path, draft = self.path / name, self.path / f"{name}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
        return path
