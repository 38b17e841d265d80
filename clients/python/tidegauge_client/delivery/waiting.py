"""The items of a signal in order: most wait in a queue, the oldest are in batches that are being sent.

Adding an item is an append and a comparison, without a lock: `_alarm_at` is the queue length at which `put` takes the
lock. The sender's thread sets it before it checks the queue and sleeps. Positions count items from the first.
Invariant: an item leaves once.
"""

import time
from collections import deque
from collections.abc import Callable
from threading import TIMEOUT_MAX, Condition
from typing import Generic

from tidegauge_client import stats
from tidegauge_client.delivery.batch import Batch
from tidegauge_client.settings import Settings
from tidegauge_client.signal import Item, Signal
from tidegauge_client.stats import RunningStats, Stats


class Waiting(Generic[Item]):
    """Items that are not settled yet; when it is full, the oldest are dropped."""

    def __init__(
        self,
        signal: Signal[Item],
        settings: Settings,
        start: Callable[[], bool],
        on_overflow: Callable[[int], None],
    ) -> None:
        self._signal = signal
        self._settings = settings
        self._start = start
        self._on_overflow = on_overflow
        self._closed = False
        self.empty()

    def empty(self) -> None:
        """Begin anew: nothing waits, nothing was counted, and no other thread holds the lock."""
        # Its lock is re-entrant: a signal handler may call in while its own thread is here.
        self._changed = Condition()
        self._queue: deque[Item] = deque()
        self._under_way: deque[Batch[Item]] = deque()
        self._stats = RunningStats()
        self._taken = 0
        self._wanted = 0
        self._hurry = False
        self._alarm_at = 0 if self._closed else 1

    def put(self, item: Item) -> None:
        """Add an item."""
        queue = self._queue
        queue.append(item)
        if len(queue) >= self._alarm_at:
            self._alarm()

    def _alarm(self) -> None:
        with self._changed:
            if self._closed:  # the batches under way are the thread's
                self._shed(len(self._queue), stats.CLOSED)
                return
            over = len(self._queue) - self._settings.max_queue
            if over > 0:
                self._shed(over, stats.QUEUE_FULL)
            if self._alarm_at <= self._settings.max_queue:
                self._start()
                self._rest()
                self._changed.notify_all()
        if over > 0:
            self._on_overflow(over)

    def first(self) -> Batch[Item] | None:
        """The oldest batch, as soon as one is due; None when closed."""
        with self._changed:
            if not self._under_way:
                self._await(1, TIMEOUT_MAX)
                self._await(self._settings.batch_items, self._settings.batch_after_s)
                self._take()
            if self._closed:
                self._discard()
                return None
            return self._under_way[0]

    def _await(self, items: int, limit_s: float) -> None:
        """Wait until so many items wait, the time is over, or somebody flushes or closes."""
        until_s = time.monotonic() + limit_s
        while not self._closed:
            self._alarm_at = items
            hurried = self._queue and self._taken < self._wanted
            left_s = until_s - time.monotonic()
            if len(self._queue) >= items or hurried or left_s <= 0:
                break
            self._changed.wait(min(left_s, TIMEOUT_MAX))
        self._rest()

    def _rest(self) -> None:
        """From here on only a full queue is worth a call; when closed, every item is."""
        self._alarm_at = 0 if self._closed else self._settings.max_queue + 1

    def _take(self) -> None:
        items = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch_items))]
        if items:
            self._under_way.append(Batch(self._signal, items, self._taken, time.monotonic()))
            self._taken += len(items)

    def finish(self, batch: Batch[Item], rejected: int) -> None:
        """The gateway has answered for the batch, which is the first."""
        with self._changed:
            self._stats.sent += len(batch.items) - rejected
            self._stats.rejected += rejected
            self._leave()

    def drop(self, batch: Batch[Item], reason: str) -> None:
        """Give the batch up, which is the first."""
        with self._changed:
            self._stats.dropped[reason] += len(batch.items)
            self._leave()

    def halve(self, batch: Batch[Item]) -> None:
        """Put two batches in the place of the first."""
        with self._changed:
            self._under_way.popleft()
            self._under_way.extendleft(reversed(batch.halves()))

    def repeated(self) -> None:
        """Count a batch that will be sent again."""
        with self._changed:
            self._stats.retries += 1

    def pause(self, least_s: float, most_s: float) -> bool:
        """Wait `most_s`, but only `least_s` when somebody flushes; return whether somebody did."""
        began_s = time.monotonic()
        with self._changed:
            while not self._closed:
                left_s = began_s + (least_s if self._hurry else most_s) - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            hurried, self._hurry = self._hurry, False
            return hurried

    def hasten(self) -> int:
        """Let everything that waits go at once; the position after it."""
        with self._changed:
            self._wanted = self._taken + len(self._queue)
            if self._settled_to() < self._wanted:
                self._hurry = self._start()
                self._changed.notify_all()
            return self._wanted

    def reached(self, position: int, until_s: float) -> bool:
        """Wait until everything before the position is settled; whether it is."""
        with self._changed:
            while self._settled_to() < position:
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not self._start():
                    return False
                self._changed.wait(min(left_s, TIMEOUT_MAX))
            return True

    def close(self) -> None:
        """Take nothing more, and let the thread drop what is left."""
        with self._changed:
            self._closed = True
            self._rest()
            self._changed.notify_all()

    def abandon(self) -> None:
        """Drop what is left, when no thread runs that would do it."""
        with self._changed:
            self._discard()

    def stats(self) -> Stats:
        """The counts of this moment."""
        with self._changed:
            under_way = sum(len(batch.items) for batch in self._under_way)
            counts = self._stats
            return Stats(
                queued=len(self._queue) + under_way,
                sent=counts.sent,
                rejected=counts.rejected,
                dropped=dict(counts.dropped),
                retries=counts.retries,
            )

    def _settled_to(self) -> int:
        return self._under_way[0].start if self._under_way else self._taken

    def _leave(self) -> None:
        self._under_way.popleft()
        if self._settled_to() >= self._wanted:
            self._hurry = False
        self._changed.notify_all()

    def _shed(self, items: int, reason: str) -> None:
        for _ in range(items):
            self._queue.popleft()
        self._taken += items
        self._stats.dropped[reason] += items

    def _discard(self) -> None:
        self._shed(len(self._queue), stats.CLOSED)
        while self._under_way:
            self._stats.dropped[stats.CLOSED] += len(self._under_way.popleft().items)
        self._changed.notify_all()
