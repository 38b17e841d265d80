"""Where the files of the archive lie: a folder, or what is like S3, by one address. Needs pyarrow.

Names are paths below the address. A file has its name when all of it is there and, in a folder, on the disk. Errors of
the store come out as `Unavailable`.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from shared.errors import Misconfigured, Unavailable

WRITING = "_writing"
"""Folder of files that are not whole yet; readers of the archive pass over names with this sign."""

CHUNK_BYTES = 1 << 20


class Digest(NamedTuple):
    """What a file is."""

    bytes: int
    sha256: str


class Store:
    """Files by name."""

    def __init__(self, address: str) -> None:
        """A path, `file:///…`, or `s3://bucket/prefix` with the options that pyarrow takes; raise `Misconfigured`."""
        try:
            uri = address if "://" in address else Path(address).absolute().as_uri()
            self.files, self._base = pafs.FileSystem.from_uri(uri)
        except (pa.ArrowException, ValueError, OSError) as problem:
            raise Misconfigured(f"the address of the archive: {problem}") from problem
        self._local = isinstance(self.files, pafs.LocalFileSystem)

    def path(self, name: str) -> str:
        """The path of a file within `files`."""
        return f"{self._base.rstrip('/')}/{name}"

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """A folder on this machine for files that are not whole yet; what a run before has left in it is gone."""
        with guard():
            folder = (
                Path(self.path(WRITING))
                if self._local
                else Path(tempfile.mkdtemp(prefix="tidegauge-archive-"))
            )
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, whole: Path, name: str) -> None:
        """Give a whole file its name; one that is there is replaced."""
        target = self.path(name)
        with guard():
            if not self._local:
                with whole.open("rb") as source, self.files.open_output_stream(target) as out:
                    shutil.copyfileobj(source, out, CHUNK_BYTES)
                return
            made = _made(Path(target).parent)
            with whole.open("rb") as file:
                os.fsync(file.fileno())
            whole.replace(target)
            for folder in {Path(target).parent, *made}:
                _sync(folder)

    def digest(self, name: str) -> Digest:
        """What a file is, read from end to end."""
        found, size = sha256(), 0
        with guard(), self.files.open_input_stream(self.path(name)) as file:
            while chunk := file.read(CHUNK_BYTES):
                found.update(chunk)
                size += len(chunk)
        return Digest(size, found.hexdigest())

    def names(self, table: str) -> list[str]:
        """The files below the folder of a table."""
        selector = pafs.FileSelector(self.path(table), allow_not_found=True, recursive=True)
        with guard():
            found = self.files.get_file_info(selector)
        base = len(self.path(""))
        return [one.path[base:] for one in found if one.type == pafs.FileType.File]

    def remove(self, name: str) -> None:
        """Remove a file."""
        with guard():
            self.files.delete_file(self.path(name))


@contextmanager
def guard() -> Iterator[None]:
    """Raise `Unavailable` for what goes wrong with a store."""
    try:
        yield
    except (OSError, pa.ArrowException) as problem:
        raise Unavailable("the archive", str(problem)) from problem


def _made(folder: Path) -> list[Path]:
    """Make a folder; those above it that have a new one in them."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [each.parent for each in missing]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
