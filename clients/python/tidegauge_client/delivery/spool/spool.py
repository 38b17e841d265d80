"""The batches of one signal on disk: those of this process, and those that ended processes have left.

Bytes are those that files take of the disk; milliseconds UTC. Files alone, and no database: one that is damaged harms
no other, and a fork leaves nothing behind that must not be used. Invariant: a batch is whole under its name, or absent.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidegauge_client.delivery.batch import IN_FILE, Batch, Content, Stored
from tidegauge_client.delivery.spool import stored_batch
from tidegauge_client.delivery.spool.stored_batch import Damaged
from tidegauge_client.delivery.spool.writer_folder import LOCK, WriterFolder
from tidegauge_client.settings import MIN_SPOOL_BYTES, SpoolSettings
from tidegauge_client.signal import Signal

DAMAGED = "damaged"
"""Folder of what cannot be read."""

SIGNALS = tuple(f"{name}-" for name in ("points", "events"))
"""How the names of the folders of writers begin."""

MAX_DAMAGED = 20
"""Files that are kept there; beyond it the oldest are removed."""


class Spool:
    """Saves, finds and removes the batches of one signal."""

    def __init__(self, signal: Signal[Any], settings: SpoolSettings) -> None:
        self._signal = signal
        self._settings = settings
        self._own: WriterFolder | None = None
        self._adopted: list[WriterFolder] = []
        self._number = 0
        self._writers = 1
        self.damaged = 0
        """Files that were set aside."""

    def save(self, batch: Batch) -> None:
        """Write a batch; it is in its file alone from now on. Raises `OSError`."""
        if self._own is None:
            self._own = WriterFolder.make(self._settings.folder, self._signal.name)
            self.others()
        self._number += 1
        self._write(self._own.path, self._number, batch)

    def split(self, batch: Batch, parts: tuple[Batch, Batch]) -> None:
        """Put two batches in the place of one, whatever happens meanwhile. Raises `OSError`."""
        if batch.stored is None:
            return
        for part in parts:
            # After a restart in between the whole is split again, into batches of the same ids and names.
            self._write(batch.stored.path.parent, stored_batch.number_of(batch.stored.path), part)
        self.remove(batch)

    def load(self, batch: Batch) -> Content:
        """What is sent of a batch; raise `Damaged` when its file is, which is set aside."""
        if batch.stored is None:
            return batch.content
        try:
            return stored_batch.decode(batch, batch.stored.path.read_bytes())
        except (OSError, Damaged) as problem:
            self._set_aside(batch.stored.path)
            raise Damaged(f"{batch.stored.path.name}: {problem}") from None

    def mark(self, batch: Batch, tried_ms: int) -> None:
        """Note when a batch was sent first without an answer; 0: it was not."""
        batch.tried_ms = tried_ms
        if batch.stored is None:
            return
        old = batch.stored.path
        path = old.with_name(stored_batch.name_of(stored_batch.number_of(old), batch))
        with suppress(OSError):
            old.rename(path)
            batch.stored = batch.stored._replace(path=path)

    def remove(self, batch: Batch) -> None:
        """The batch is settled."""
        if batch.stored is not None:
            with suppress(OSError):
                batch.stored.path.unlink()

    def adopted(self) -> list[Batch]:
        """The batches of processes that have ended since somebody asked last, the oldest first."""
        self._leave_empty()
        found = []
        for path in self.others():
            folder = WriterFolder.adopt(path)
            if folder is not None:
                self._adopted.append(folder)
                found += list(self._batches(folder))
        return sorted(found, key=lambda batch: batch.made_ms)  # the sort is stable

    def share(self) -> int:
        """Bytes that this process may keep of this signal: an even share for each writer's folder that it has."""
        folders = max(1, len(self._adopted) + (self._own is not None))
        return max(MIN_SPOOL_BYTES, self._settings.max_bytes * folders // self._writers)

    def release(self) -> None:
        """Leave what is left to another process."""
        for folder in (*self._adopted, *([self._own] if self._own else [])):
            folder.release()
        self._own, self._adopted = None, []

    def forget(self) -> None:
        """In a forked child: what is there is the parent's."""
        for folder in (*self._adopted, *([self._own] if self._own else [])):
            folder.forget()
        self._own, self._adopted, self._number, self.damaged = None, [], 0, 0

    def _leave_empty(self) -> None:
        kept = []
        for folder in self._adopted:
            with suppress(OSError):
                if any(entry.suffix == ".batch" for entry in folder.path.iterdir()):
                    kept.append(folder)
                    continue
            folder.release()
        self._adopted = kept

    def others(self) -> list[Path]:
        """The folders of this signal that other processes have made; counts the writers of both signals."""
        with suppress(OSError):
            mine = os.geteuid()
            every = [
                entry
                for entry in os.scandir(self._settings.folder)
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == mine
            ]
            writers = [entry for entry in every if entry.name.startswith(SIGNALS)]
            self._writers = max(1, len(writers))
            known = {folder.path for folder in (*self._adopted, *([self._own] if self._own else []))}
            paths = [Path(entry.path) for entry in writers if entry.name.startswith(f"{self._signal.name}-")]
            return [path for path in paths if path not in known]
        return []

    def _batches(self, folder: WriterFolder) -> Iterator[Batch]:
        with suppress(OSError):
            for entry in sorted(os.scandir(folder.path), key=lambda entry: entry.name):
                if entry.name == LOCK:
                    continue
                path = Path(entry.path)
                try:
                    yield stored_batch.batch_of(self._signal, path, entry.stat().st_size)
                except (OSError, Damaged):
                    self._set_aside(path)

    def _set_aside(self, path: Path) -> None:
        self.damaged += 1
        with suppress(OSError):
            aside = self._settings.folder / DAMAGED
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside / path.name)
            for old in sorted(aside.iterdir(), key=lambda each: each.stat().st_mtime)[:-MAX_DAMAGED]:
                old.unlink()

    def _write(self, folder: Path, number: int, batch: Batch) -> None:
        path = folder / stored_batch.name_of(number, batch)
        making = path.with_suffix(".new")
        content = stored_batch.encode(batch, batch.content)
        try:
            with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                if self._settings.fsync:
                    os.fsync(file.fileno())
            making.rename(path)
            if self._settings.fsync:
                _sync_folder(folder)
        except OSError:
            with suppress(OSError):
                making.unlink()
            raise
        batch.stored, batch.content = Stored(path, stored_batch.blocks(len(content))), IN_FILE


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
