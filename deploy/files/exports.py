"""Fetches an export from the queries and proves that it is whole, before the file gets its name.

Spans are seconds. The file is `NAME.part` until its rows, its bytes and its hash are those that the gateway kept of
the export. Nothing is repeated by itself: another attempt would be another snapshot. Invariant: a file under its own
name is whole.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2

from shared.errors import Rejected, TidegaugeError, Unavailable

CONNECT_S = 10.0
SILENT_S = 120.0
"""How long the gateway may send nothing."""

CHUNK_BYTES = 1 << 18

QUOTE = b'"'


class NotWhole(TidegaugeError):
    """What came is not the file that was sent."""


Progress = Callable[[int], None]
"""Told how many bytes there are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where an export comes from, and what it is of."""

    url: str
    """Of the queries."""
    key: str
    body: Mapping[str, Any]
    """As `POST /v1/exports` takes it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is whole."""

    path: Path
    rows: int
    bytes: int
    sha256: str
    complete_until: str | None


def fetch(asked: Asked, path: Path, progress: Progress) -> Fetched:
    """Write the file. Raises `Rejected` for what the gateway refuses, `Unavailable`, and `NotWhole`."""
    part = path.with_name(f"{path.name}.part")
    limits = httpx2.Timeout(SILENT_S, connect=CONNECT_S)
    headers = {"x-api-key": asked.key, "accept-encoding": "identity"}
    with httpx2.Client(base_url=asked.url, timeout=limits, headers=headers) as client:
        try:
            name, found = _downloaded(client, asked.body, part, progress)
            status = _status(client, name)
            _check(found, status)
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return Fetched(path, status["rows"], found.bytes, found.hash.hexdigest(), status["complete_until"])


class Count:
    """What of a file can be told while it comes."""

    def __init__(self, form: str) -> None:
        self.bytes = 0
        self.hash = sha256()
        self._rows = {"csv": -1, "jsonl": 0}.get(form)
        self._quoted = form == "csv"
        self._inside = False

    @property
    def rows(self) -> int | None:
        """Rows of text; None: of columns, whose footer counts them."""
        return self._rows

    def add(self, chunk: bytes) -> None:
        """Some more of it. A line of CSV ends outside of quotes alone."""
        self.bytes += len(chunk)
        self.hash.update(chunk)
        if self._rows is None:
            return
        for place, piece in enumerate(chunk.split(QUOTE) if self._quoted else [chunk]):
            self._inside ^= place > 0
            self._rows += 0 if self._inside else piece.count(b"\n")


def _downloaded(
    client: httpx2.Client, body: Mapping[str, Any], part: Path, progress: Progress
) -> tuple[str, Count]:
    """The name of the export, and what of it came."""
    count = Count(str(body["format"]))
    with _reached(), client.stream("POST", "/v1/exports", json=dict(body)) as answer:
        if answer.status_code != 200:
            answer.read()
            raise _refusal(answer)
        with part.open("wb") as file:
            for chunk in answer.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                count.add(chunk)
                progress(count.bytes)
            file.flush()
            os.fsync(file.fileno())
        return answer.headers["tidegauge-export"], count


def _status(client: httpx2.Client, name: str) -> dict[str, Any]:
    with _reached():
        answer = client.get(f"/v1/exports/{name}")
    if answer.status_code != 200:
        raise NotWhole(f"the gateway cannot say whether export {name} is whole: {answer.text[:200]}")
    found: dict[str, Any] = answer.json()
    return found


def _check(found: Count, status: Mapping[str, Any]) -> None:
    """Raise `NotWhole` unless all that was sent has come."""
    said = (status["state"], status["bytes"], status["sha256"])
    if said != ("complete", found.bytes, found.hash.hexdigest()):
        raise NotWhole(f"what came is not what was sent: {found.bytes:,} bytes came, the gateway says {said}")
    if found.rows not in {None, status["rows"]}:
        raise NotWhole(f"the file has {found.rows:,} rows, the gateway sent {status['rows']:,}")


@contextmanager
def _reached() -> Iterator[None]:
    """Tell what is wrong about the network; a connection that was cut is never taken for an end."""
    try:
        yield
    except httpx2.RemoteProtocolError as problem:
        raise NotWhole(f"the export was cut before its end: {problem}") from problem
    except httpx2.TransportError as problem:
        raise Unavailable("the gateway", repr(problem)) from problem


def _refusal(answer: httpx2.Response) -> TidegaugeError:
    try:
        said = answer.json()
        problem = Rejected(said["code"], said["message"])
    except (ValueError, KeyError, TypeError):
        problem = Rejected(str(answer.status_code), answer.text[:200])
    return problem
