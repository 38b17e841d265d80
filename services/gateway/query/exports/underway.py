"""Exports under way: how many there may be, what is kept of each, and how it ends.

Spans are seconds, times milliseconds UTC. Invariant: an export is `complete` only when its rows were counted and its
bytes hashed to the last; whatever else ends it leaves its file without an end.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from typing import Protocol

from services.gateway.query.exports.asked.export import Export
from services.gateway.query.exports.formats import encoder_of
from services.gateway.query.exports.status import Status, Statuses, instant_of
from services.gateway.query.exports.transfer import Transfer
from shared.errors import Unavailable
from shared.files.columns import Take, Writing
from shared.runtime.clock import now_ms

MAX_EXPORTS = 4
"""Exports that a process has under way."""

MAX_OF_TENANT = 2
"""Those of one tenant."""

BEAT_S = 5.0
"""How often a running export says that it is."""


LEFT = "client_left"
"""With this word whoever cancels an export says that nobody takes it any more."""


class Crowded(Exception):
    """As many exports are under way as there may be."""


class Snapshot(Protocol):
    """Rows as they were at one moment."""

    complete_until_ms: int | None

    async def copy(self, export: Export, take: Take, writing: Writing) -> int:
        """Hand over the rows as text; how many there were."""
        ...


class Rows(Protocol):
    """Where rows come from."""

    def snapshot(self, export: Export) -> AbstractAsyncContextManager[Snapshot]:
        """What there is of an export now. Raises `Unavailable`."""
        ...


class File(Protocol):
    """Where a file goes."""

    def begin(self, status: Status) -> None:
        """What the export is called; nothing has left yet."""
        ...

    async def write(self, part: bytes) -> None:
        """Some bytes that are not the last."""
        ...

    async def end(self, part: bytes) -> None:
        """The last bytes; whoever does not get them has no whole file."""
        ...


class Exports:
    """The exports of this process."""

    def __init__(self, sources: Mapping[type, Rows], statuses: Statuses, longest_s: float) -> None:
        """`sources` say where rows come from, by what is exported."""
        self._sources = sources
        self.statuses = statuses
        self._longest_s = longest_s
        self._threads = ThreadPoolExecutor(MAX_EXPORTS, "export")
        self._tenants: Counter[int] = Counter()

    @contextmanager
    def admitted(self, tenant_id: int) -> Iterator[None]:
        """Room for one more; raise `Crowded` where there is none."""
        if self._tenants.total() >= MAX_EXPORTS or self._tenants[tenant_id] >= MAX_OF_TENANT:
            raise Crowded
        self._tenants[tenant_id] += 1
        try:
            yield
        finally:
            self._tenants[tenant_id] -= 1

    async def run(self, export: Export, file: File) -> None:
        """Write the file, or leave it without its end.

        Raises `Unavailable`, and `TimeoutError` for one that took too long. Who cancels it says `LEFT`; else the
        process is stopping.
        """
        underway = _Underway(self.statuses)
        beating = asyncio.create_task(underway.beat())
        try:
            async with asyncio.timeout(self._longest_s):
                await self._write(export, file, underway)
        except Unavailable:
            await underway.fail("unavailable")
            raise
        except TimeoutError:
            await underway.fail("too_long")
            raise
        except asyncio.CancelledError as reason:
            await underway.fail(LEFT if str(reason) == LEFT else "stopping")
            raise
        except BaseException:
            await underway.fail("broken")
            raise
        finally:
            beating.cancel()

    async def _write(self, export: Export, file: File, underway: "_Underway") -> None:
        async with self._sources[type(export.rows)].snapshot(export) as snapshot:
            status = await underway.begin(export, snapshot.complete_until_ms)
            file.begin(status)
            complete_until = instant_of(status.complete_until_ms)
            encoder = await asyncio.to_thread(encoder_of, export, complete_until)
            transfer = underway.transfer = Transfer(encoder, file.write, self._threads)
            rows = await snapshot.copy(export, transfer.take, encoder.writing)
        last = await transfer.finish(rows)
        await underway.complete(rows)
        await file.end(last)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Underway:
    """What is kept of one export."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses
        self._status: Status | None = None
        self._turn = asyncio.Lock()
        self.transfer: Transfer | None = None

    async def begin(self, export: Export, complete_until_ms: int | None) -> Status:
        """It has a name from now on."""
        now = now_ms()
        self._status = Status(
            secrets.token_hex(16), export.tenant_id, export.asked, "running", now, now, complete_until_ms
        )
        await self._put(self._status)
        return self._status

    async def beat(self) -> None:
        """Say now and then that it is under way, and how far."""
        while True:
            await asyncio.sleep(BEAT_S)
            if self._status is not None and self._status.state == "running":
                await self._put(self._status)

    async def complete(self, rows: int) -> None:
        """All of it is written but for the last bytes, which are counted."""
        if self._status is not None and self.transfer is not None:
            await self._end(replace(self._status, state="complete", rows=rows, sha256=self.transfer.sha256))

    async def fail(self, code: str) -> None:
        """It has no end."""
        if self._status is not None:
            await self._end(replace(self._status, state="failed", code=code))

    async def _end(self, status: Status) -> None:
        self._status = status
        await self._put(status)

    async def _put(self, status: Status) -> None:
        # In turn: what is said last stands.
        async with self._turn:
            transfer = self.transfer
            if transfer is not None:
                rows = status.rows if status.state == "complete" else transfer.rows
                status = replace(status, bytes=transfer.bytes, rows=rows)
            await self._statuses.put(replace(status, updated_ms=now_ms()))
