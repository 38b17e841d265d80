"""The items of a signal in order: most wait in a queue, the oldest are in batches that are being sent.

Adding an item is an append and a comparison, without a lock: `_alarm_at` is the queue length at which `put` takes the
lock. Whoever makes batches sets it before it checks the queue and rests. Nothing here waits. Positions count items from
the first of this process; `_s` is monotonic. Invariant: an item leaves once.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from threading import Condition
from typing import Generic, NamedTuple

from tidegauge_client import stats
from tidegauge_client.delivery.batch import OTHERS, Batch
from tidegauge_client.delivery.spool.spool import Spool
from tidegauge_client.settings import Settings
from tidegauge_client.signal import Item, Signal
from tidegauge_client.stats import RunningStats, Stats


class Taken(NamedTuple, Generic[Item]):
    """Items that a batch is made of."""

    items: list[Item]
    start: int
    """Position of the first."""


class Backlog(Generic[Item]):
    """Items that are not settled yet; when it is full, the oldest are dropped."""

    def __init__(
        self,
        signal: Signal[Item],
        settings: Settings,
        spool: Spool | None,
        start: Callable[[], bool],
        on_shed: Callable[[str, int], None],
    ) -> None:
        self.signal = signal
        self.spool = spool
        self._settings = settings
        self._start = start
        self._on_shed = on_shed
        self._closed = False
        self.empty()

    def empty(self) -> None:
        """Begin anew: nothing waits, nothing was counted, and no other thread holds the lock."""
        # Its lock is re-entrant: a signal handler may call in while its own thread is here.
        self._changed = Condition()
        self._queue: deque[Item] = deque()
        self._making: Taken[Item] | None = None
        self._own: deque[Batch] = deque()
        self._recovered: deque[Batch] = deque()
        self._sending: Batch | None = None
        self._stored_bytes = 0
        self._recovered_next = True
        self._stats = RunningStats()
        self._taken = 0
        self._wanted = 0
        self._first_s: float | None = None
        self._hurry = False
        self._alarm_at = 0 if self._closed else 1

    def put(self, item: Item) -> None:
        """Add an item."""
        queue = self._queue
        queue.append(item)
        if len(queue) >= self._alarm_at:
            self._alarm()

    def _wake(self) -> None:
        """Let those who wait look again."""
        self._changed.notify_all()

    def _alarm(self) -> None:
        with self._changed:
            if self._closed:  # the batches under way are the sender's
                self._shed(len(self._queue), stats.CLOSED)
                return
            over = len(self._queue) - self._settings.max_queue
            if over > 0:
                self._shed(over, stats.QUEUE_FULL)
            if self._alarm_at <= self._settings.max_queue and self._start():
                self._rest()
                self._wake()
        if over > 0:
            self._on_shed(stats.QUEUE_FULL, over)

    def _rest(self) -> None:
        """From here on only a full queue is worth a call; when closed, every item is."""
        self._alarm_at = 0 if self._closed else self._settings.max_queue + 1

    def _due_s(self) -> float | None:
        """When a batch is to be made, 0 for at once; None: not before there is an item. Sets the alarm for that."""
        self._alarm_at = self._settings.batch_items if self._queue else 1
        if not self._queue:
            self._first_s = None
            return None
        if self._first_s is None:
            self._first_s = time.monotonic()
        if self._closed or self._taken < self._wanted or len(self._queue) >= self._settings.batch_items:
            return 0.0
        return self._first_s + self._settings.batch_after_s

    @property
    def has_items(self) -> bool:
        """Whether items wait for a batch."""
        return bool(self._queue)

    def take(self) -> Taken[Item]:
        """Take the items of the next batch; `add` puts the batch in their place."""
        with self._changed:
            size = min(len(self._queue), self._settings.batch_items)
            self._making = Taken([self._queue.popleft() for _ in range(size)], self._taken)
            self._taken += size
            self._first_s = None
            self._rest()
            return self._making

    def add(self, batches: Iterable[Batch]) -> None:
        """Add what was made of the items that were taken."""
        with self._changed:
            self._making = None
            for batch in batches:
                if batch.too_large and self.spool is not None:
                    self._stats.dropped[stats.TOO_LARGE] += batch.count
                    self._on_shed(stats.TOO_LARGE, batch.count)
                    continue
                self._own.append(batch)
                self._stored_bytes += batch.stored.size if batch.stored else 0
            self._shed_stored()
            self._wake()

    def save_again(self) -> None:
        """Save what could not be saved before. Raises `OSError`."""
        with self._changed:
            for batch in [batch for batch in self._own if batch.stored is None]:
                if self.spool is not None:
                    self.spool.save(batch)
                    self._stored_bytes += batch.stored.size if batch.stored else 0
            self._wake()

    @property
    def all_saved(self) -> bool:
        """Whether all batches are in files."""
        with self._changed:
            return all(batch.stored is not None for batch in self._own)

    def recover(self, batches: Iterable[Batch]) -> None:
        """Add what processes that ended have left."""
        with self._changed:
            for batch in batches:
                self._recovered.append(batch)
                self._stats.recovered += batch.count
                self._stored_bytes += batch.stored.size if batch.stored else 0
            self._shed_stored()
            self._wake()

    def _next(self) -> Batch | None:
        """The batch to be sent: that of the last attempt again, else the oldest, own and recovered ones in turn."""
        if self._sending is None and (self._own or self._recovered):
            recovered = self._recovered and (self._recovered_next or not self._own)
            self._recovered_next = not recovered
            self._sending = (self._recovered if recovered else self._own)[0]
        return self._sending

    def finish(self, batch: Batch, rejected: int) -> None:
        """The gateway has answered for the batch."""
        with self._changed:
            self._stats.sent += batch.count - rejected
            self._stats.rejected += rejected
            self._leave(batch)

    def drop(self, batch: Batch, reason: str) -> None:
        """Give the batch up."""
        with self._changed:
            self._stats.dropped[reason] += batch.count
            self._leave(batch)

    def replace(self, batch: Batch, parts: tuple[Batch, Batch]) -> None:
        """Put two batches in the place of one, which is being sent."""
        with self._changed:
            queue = self._queue_of(batch)
            at = queue.index(batch)
            del queue[at]
            for part in reversed(parts):
                queue.insert(at, part)
            self._stored_bytes += sum(part.stored.size for part in parts if part.stored)
            self._stored_bytes -= batch.stored.size if batch.stored else 0
            self._sending = None

    def _queue_of(self, batch: Batch) -> deque[Batch]:
        return self._recovered if batch.start == OTHERS else self._own

    def repeated(self) -> None:
        """Count a batch that will be sent again."""
        with self._changed:
            self._stats.retries += 1

    def hasten(self, *, sending: bool = True) -> int:
        """Make batches of everything that waits, and send them at once; the position after it."""
        with self._changed:
            self._wanted = self._taken + len(self._queue)
            if self._settled_to() < self._wanted:
                self._hurry = self._start() and (sending or self._hurry)
                self._wake()
            return self._wanted

    def close(self) -> None:
        """Take nothing more; a spool keeps what is left, else it is dropped."""
        with self._changed:
            self._closed = True
            self._rest()
            self._wake()

    def abandon(self) -> None:
        """Drop what is in no file, when nothing runs any more that would do it."""
        with self._changed:
            self._shed(len(self._queue), stats.CLOSED)
            if self._making is not None:
                self._stats.dropped[stats.CLOSED] += len(self._making.items)
                self._making = None
            for batch in [batch for batch in self._own if batch.stored is None]:
                self.drop(batch, stats.CLOSED)
            self._wake()

    def stats(self) -> Stats:
        """The counts of this moment."""
        with self._changed:
            batches = [*self._own, *self._recovered]
            counts = self._stats
            making = 0 if self._making is None else len(self._making.items)
            return Stats(
                queued=len(self._queue) + making + sum(batch.count for batch in batches),
                sent=counts.sent,
                rejected=counts.rejected,
                dropped=dict(counts.dropped),
                retries=counts.retries,
                stored=sum(batch.count for batch in batches if batch.stored is not None),
                recovered=counts.recovered,
                damaged=self.spool.damaged if self.spool else 0,
            )

    def _settled_to(self) -> int:
        """The position before which everything is settled."""
        if self._own:
            return self._own[0].start
        return self._taken if self._making is None else self._making.start

    def _saved_to(self) -> int:
        """The position before which everything is settled or in a file."""
        unsaved = (batch.start for batch in self._own if batch.stored is None)
        return next(unsaved, self._taken if self._making is None else self._making.start)

    def _leave(self, batch: Batch) -> None:
        self._queue_of(batch).remove(batch)
        if self._sending is batch:
            self._sending = None
        if self.spool is not None:
            self.spool.remove(batch)
            self._stored_bytes -= batch.stored.size if batch.stored else 0
        if self._settled_to() >= self._wanted:
            self._hurry = False
        self._wake()

    def _shed(self, items: int, reason: str) -> None:
        shed = 0
        with suppress(IndexError):  # a signal handler may shed some meanwhile
            while shed < items:
                self._queue.popleft()
                shed += 1
        self._taken += shed
        self._stats.dropped[reason] += shed

    def _shed_stored(self) -> None:
        """Drop the oldest batches of a spool that is full, but for the one that is being sent."""
        items = 0
        while self.spool is not None and self._stored_bytes > self.spool.share():
            every = chain(self._recovered, self._own)
            oldest = next((batch for batch in every if batch.stored and batch is not self._sending), None)
            if oldest is None:
                break
            items += oldest.count
            self.drop(oldest, stats.SPOOL_FULL)
        if items:
            self._on_shed(stats.SPOOL_FULL, items)
