"""How an export stands, and where that is kept: in this process, and in Redis for an hour, for others may be asked.

Times are milliseconds UTC. Without Redis a process knows its own exports alone. Invariant: `complete` says rows, bytes
and the hash of all that was sent, and is kept before the last byte leaves.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
import structlog
from cachetools import FIFOCache

from shared.errors import Unavailable
from shared.postgres.instants import at
from shared.runtime.redis import Client, guard

State = Literal["running", "complete", "failed"]

KEPT_S = 3600
"""How long it is known how an export ended."""

MAX_KNOWN = 1000
"""Exports that a process remembers; Redis remembers the others."""

SILENT_MS = 30_000
"""A running export whose process has said nothing for so long is lost."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How one export stands."""

    export_id: str
    tenant_id: int
    question: dict[str, Any]
    """What it is of."""
    state: State
    started_ms: int
    updated_ms: int
    """When its process last said so."""
    complete_until_ms: int | None
    """Windows that end at or before this are whole in it; None: not known."""
    bytes: int = 0
    rows: int | None = None
    """None: not known before the end."""
    sha256: str | None = None
    """Of all bytes; None before the end."""
    code: str | None = None
    """Why it failed."""

    def as_of(self, now_ms: int) -> "Status":
        """The same, seen now: an export whose process has died has failed."""
        if self.state == "running" and now_ms - self.updated_ms > SILENT_MS:
            return replace(self, state="failed", code="lost")
        return self


class Statuses:
    """Knows how exports stand."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._known: FIFOCache[str, Status] = FIFOCache(MAX_KNOWN)

    async def put(self, status: Status) -> None:
        """Keep it; without Redis it is kept here alone."""
        self._known[status.export_id] = status
        try:
            with guard():
                await self._client.set(self._key(status.export_id), msgspec.json.encode(status), ex=KEPT_S)
        except Unavailable as problem:
            _log.warning("the state of an export is not shared", problem=str(problem))

    async def find(self, export_id: str) -> Status | None:
        """How it stands; None: nobody knows it. Raises `Unavailable` when it may be known elsewhere."""
        if (known := self._known.get(export_id)) is not None:
            return known
        with guard():
            found = await self._client.get(self._key(export_id))
        return None if found is None else msgspec.json.decode(found, type=Status)

    def _key(self, export_id: str) -> str:
        return f"{self._prefix}export:{export_id}"


def instant_of(ms: int | None) -> str | None:
    """An instant as files and answers show it: RFC 3339, UTC."""
    return None if ms is None else at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
