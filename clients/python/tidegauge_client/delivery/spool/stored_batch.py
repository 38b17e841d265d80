"""The file of a batch: its name says what it is, a first line holds a checksum, and the rest is what is sent.

Milliseconds UTC, seconds where the name of a value says so. A file is changed by renaming alone: to note when the batch
was sent first without an answer. Invariant: what is read is what was written, or it raises `Damaged`.
"""

import re
from pathlib import Path
from typing import Any
from zlib import crc32

from tidegauge_client.delivery.batch import IN_FILE, OTHERS, Batch, Content, Stored
from tidegauge_client.signal import Signal

VERSION = 1
"""Version of the format; a file of another one is set aside."""

BLOCK_BYTES = 4096
"""What a file takes of the disk at least, and in steps of which."""

_NAME = re.compile(
    r"(?P<number>\d{12})-(?P<id>[0-9a-f]{32})-(?P<count>\d{1,9})-(?P<made_ms>\d{1,15})-(?P<tried_s>\d{1,12})\.batch"
)


class Damaged(Exception):
    """The file holds no batch."""


def name_of(number: int, batch: Batch) -> str:
    """The name of the file."""
    tried_s = -(-batch.tried_ms // 1000)
    return f"{number:012d}-{batch.id}-{batch.count}-{batch.made_ms}-{tried_s}.batch"


def number_of(path: Path) -> int:
    """The number of a batch among those of its writer."""
    return int(path.name[:12])


def batch_of(signal: Signal[Any], path: Path, size: int) -> Batch:
    """The batch of a file of so many bytes, by its name; raise `Damaged`."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise Damaged("the name is not that of a batch")
    return Batch(
        signal, int(name["count"]), OTHERS, IN_FILE, id=name["id"], made_ms=int(name["made_ms"]),
        tried_ms=1000 * int(name["tried_s"]), stored=Stored(path, blocks(size)),
    )  # fmt: skip


def encode(batch: Batch, content: Content) -> bytes:
    """The bytes of the file."""
    return _first_line(batch, content) + content.sent


def decode(batch: Batch, content: bytes) -> Content:
    """What is sent of a batch; raise `Damaged`."""
    first, _, sent = content.partition(b"\n")
    for gzipped in (True, False):
        found = Content(sent, gzipped)
        if first + b"\n" == _first_line(batch, found):
            return found
    raise Damaged("the checksum is not that of the content")


def blocks(size: int) -> int:
    """What a file of so many bytes takes of the disk."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _first_line(batch: Batch, content: Content) -> bytes:
    form = "gzip" if content.gzipped else "plain"
    name = f"{batch.signal.name} {batch.id} {batch.count} {batch.made_ms} {form}"
    return f"tidegauge-batch {VERSION} {name} {crc32(content.sent, crc32(name.encode())):08x}\n".encode()
