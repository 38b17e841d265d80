"""The backlog of a client with threads: one waits for batches to send, one for items to save where there is a spool.

Seconds are monotonic. The threads sleep until an item, a flush or the end of the client wakes them, or a time is over.
"""

import time
from collections.abc import Callable
from threading import TIMEOUT_MAX

from tidegauge_client.delivery.backlog import Backlog, Taken
from tidegauge_client.delivery.batch import Batch, batches
from tidegauge_client.signal import Item

LOOK_EVERY_S = 10.0
"""How often a spool is looked through for what processes that ended have left."""


class Waiting(Backlog[Item]):
    """A backlog that threads wait for."""

    _look_s = 0.0
    """When the spool is looked through next."""

    def begin(self) -> None:
        """Look through the spool though nothing was handed over yet."""
        with self._changed:
            self._start()

    def taken(self) -> Taken[Item] | None:
        """The items of a batch, as soon as one is due; None when closed and empty."""
        with self._changed:
            while True:
                due_s = self._due_s()
                if due_s is None and self._closed:
                    return None
                left_s = TIMEOUT_MAX if due_s is None else due_s - time.monotonic()
                if left_s <= 0:
                    return self.take()
                self._changed.wait(min(left_s, TIMEOUT_MAX))

    def first(self) -> Batch | None:
        """The batch to be sent, as soon as there is one; None when closed."""
        if self.spool is None:
            return self._made()
        while not self._closed:
            now_s = time.monotonic()
            if now_s >= self._look_s:
                self._look_s = now_s + LOOK_EVERY_S
                self.recover(self.spool.adopted())
            with self._changed:
                if (batch := self._next()) is not None:
                    return batch
                if not self._closed:
                    self._changed.wait(max(0.0, self._look_s - now_s))
        return None

    def _made(self) -> Batch | None:
        while not self._closed:
            with self._changed:
                if (batch := self._next()) is not None:
                    return batch
            if (taken := self.taken()) is not None and not self._closed:
                self.add(batches(self.signal, taken.items, taken.start))
        self.abandon()
        return None

    def pause(self, least_s: float, most_s: float) -> bool:
        """Wait `most_s`, but only `least_s` when somebody flushes; return whether somebody did."""
        began_s = time.monotonic()
        with self._changed:
            while not self._closed:
                left_s = began_s + (least_s if self._hurry else most_s) - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(min(left_s, TIMEOUT_MAX))
            hurried, self._hurry = self._hurry, False
            return hurried

    def settled(self, position: int, until_s: float) -> bool:
        """Wait until everything before the position is settled; whether it is."""
        return self._reached(self._settled_to, position, until_s)

    def rest(self, limit_s: float) -> bool:
        """Wait so long, or until something changes; False when closed."""
        with self._changed:
            if not self._closed:
                self._changed.wait(limit_s)
            return not self._closed

    def saved(self, position: int, until_s: float) -> bool:
        """Wait until everything before the position is settled or in a file; whether it is."""
        return self._reached(self._saved_to, position, until_s)

    def _reached(self, done_to: Callable[[], int], position: int, until_s: float) -> bool:
        with self._changed:
            while done_to() < position:
                left_s = until_s - time.monotonic()
                if left_s <= 0 or self._closed or not self._start():
                    return False
                self._changed.wait(min(left_s, TIMEOUT_MAX))
            return True
