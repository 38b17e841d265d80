"""The backlog of a client in an event loop: its tasks wait for batches to send, and for items to save.

Seconds are monotonic. Whoever waits may be cancelled at any time: nothing has left the backlog then that it would not
leave anyway.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from tidegauge_client.delivery.backlog import Backlog, Taken
from tidegauge_client.delivery.batch import Batch, batches
from tidegauge_client.delivery.waiting import LOOK_EVERY_S
from tidegauge_client.signal import Item


class AsyncWaiting(Backlog[Item]):
    """A backlog that the tasks of a loop wait for."""

    _look_s = 0.0
    """When the spool is looked through next."""
    _loop: asyncio.AbstractEventLoop | None = None
    _change: asyncio.Future[None]

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the tasks of this loop from now on."""
        self._loop, self._change = loop, loop.create_future()

    def _wake(self) -> None:
        # Threads and signal handlers may call this; a loop that is closed has nobody to wake.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        if self._loop is not None:
            changed, self._change = self._change, self._loop.create_future()
            changed.set_result(None)

    async def _changes(self, limit_s: float | None) -> None:
        """Wait so long, or until something changes; what has changed before the next step of the loop counts."""
        await asyncio.wait([self._change], timeout=limit_s)

    async def taken(self) -> Taken[Item] | None:
        """The items of a batch, as soon as one is due; None when closed and empty."""
        while True:
            with self._changed:
                due_s = self._due_s()
            if due_s is None and self._closed:
                return None
            left_s = None if due_s is None else due_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                return self.take()
            await self._changes(left_s)

    async def first(self) -> Batch | None:
        """The batch to be sent, as soon as there is one; None when closed."""
        while not self._closed:
            left_s = None
            if self.spool is not None:
                left_s = self._look_s - time.monotonic()
                if left_s <= 0:
                    self._look_s = time.monotonic() + LOOK_EVERY_S
                    self.recover(self.spool.adopted())
                    continue
            with self._changed:
                batch = self._next()
            if batch is not None:
                return batch
            if self.spool is not None:
                await self._changes(left_s)
            elif (taken := await self.taken()) is not None:
                self.add(batches(self.signal, taken.items, taken.start))
        return None

    async def pause(self, least_s: float, most_s: float) -> bool:
        """Wait `most_s`, but only `least_s` when somebody flushes; return whether somebody did."""
        began_s = time.monotonic()
        while not self._closed:
            left_s = began_s + (least_s if self._hurry else most_s) - time.monotonic()
            if left_s <= 0:
                break
            await self._changes(left_s)
        hurried, self._hurry = self._hurry, False
        return hurried

    async def rest(self, limit_s: float) -> bool:
        """Wait so long, or until something changes; False when closed."""
        if not self._closed:
            await self._changes(limit_s)
        return not self._closed

    async def settled(self, position: int, until_s: float) -> bool:
        """Wait until everything before the position is settled; whether it is."""
        return await self._reached(self._settled_to, position, until_s)

    async def saved(self, position: int, until_s: float) -> bool:
        """Wait until everything before the position is settled or in a file; whether it is."""
        return await self._reached(self._saved_to, position, until_s)

    async def _reached(self, done_to: Callable[[], int], position: int, until_s: float) -> bool:
        while done_to() < position:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or self._closed or not self._start():
                return False
            await self._changes(left_s)
        return True
