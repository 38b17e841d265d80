"""The sender of one signal: one queue, one thread, one connection; points have one and events have one.

Seconds are monotonic. Invariant: a batch is repeated under one id until the gateway has answered for it or the batch is
too old, and a signal never waits for the other.
"""

import time
from collections.abc import Callable
from logging import ERROR
from threading import Thread, current_thread
from typing import Generic

from tidegauge_client import stats
from tidegauge_client.delivery.answer import Again, Refused, Rejection, Settled, TooLarge, Verdict, verdict
from tidegauge_client.delivery.backoff import Backoff
from tidegauge_client.delivery.batch import Batch
from tidegauge_client.delivery.reports import Reports, log
from tidegauge_client.delivery.transport import Transport, Unreachable
from tidegauge_client.delivery.waiting import Waiting
from tidegauge_client.settings import Settings
from tidegauge_client.signal import Item, Signal

OnRejected = Callable[[Rejection], object]
"""Called on the sender's thread for each rejected item."""


class SignalSender(Generic[Item]):
    """Carries items of one signal to the gateway."""

    def __init__(
        self, signal: Signal[Item], transport: Transport, settings: Settings, on_rejected: OnRejected | None
    ) -> None:
        self._signal = signal
        self._transport = transport
        self._settings = settings
        self._on_rejected = on_rejected
        self._backoff = Backoff(settings.retry_first_s, settings.retry_longest_s)
        self._reports = Reports(signal.name)
        self._thread: Thread | None = None
        self.waiting = Waiting(signal, settings, self._running, self._overflow)
        self.put = self.waiting.put
        """Adds an item; a direct reference, because it is called millions of times."""

    def close(self) -> None:
        """Accept no more items; the thread ends after its present request."""
        self.waiting.close()
        if self._thread is None or not self._thread.is_alive():
            self.waiting.abandon()

    def join(self, until_s: float) -> None:
        """Wait for the end of the thread."""
        if self._thread not in (None, current_thread()):
            self._thread.join(max(0.0, until_s - time.monotonic()))

    def reborn(self) -> None:
        """In a forked child: start with an empty queue and no thread, and leave the parent's connection alone."""
        self._thread = None
        self._backoff.reset()
        self._transport.forget()
        self.waiting.empty()

    def _running(self) -> bool:
        """Whether the thread runs; it is started when it does not. The caller holds the lock of the queue."""
        if self._thread is None or not self._thread.is_alive():
            thread = Thread(target=self._run, name=f"tidegauge-{self._signal.name}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending, or the machine has no thread to give
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while (batch := self.waiting.first()) is not None:
            self._follow(batch, self._sent(batch))
        self._transport.close()

    def _sent(self, batch: Batch[Item]) -> Verdict:
        if batch.too_large:
            return TooLarge("more bytes than a request may have")
        try:
            return verdict(self._transport.post(batch), len(batch.items))
        except Unreachable as problem:
            return Again(0.0, str(problem))

    def _follow(self, batch: Batch[Item], found: Verdict) -> None:
        match found:
            case Again(after_s, why):
                self._wait(batch, after_s, why)
                return
            case Settled(rejected, warnings):
                for code, items, message in warnings:
                    self._reports.report("taken with a warning", items, f"{code} {message}")
                self._hand_over(batch, rejected)
                self.waiting.finish(batch, len(rejected))
            case TooLarge(_) if len(batch.items) > 1:
                self.waiting.halve(batch)
            case TooLarge(why):
                self._drop(batch, stats.TOO_LARGE, why)
            case Refused(why):
                self._drop(batch, stats.REFUSED, why)
        self._backoff.reset()

    def _wait(self, batch: Batch[Item], after_s: float, why: str) -> None:
        """Pause; the batch stays the first, unless it would be too old then."""
        pause_s = self._backoff.pause_s(after_s)
        if time.monotonic() + pause_s > batch.made_s + self._settings.max_age_s:
            self._drop(batch, stats.TOO_OLD, why)
        else:
            self.waiting.repeated()
            self._reports.report("to be sent again", len(batch.items), why)
        if self.waiting.pause(after_s, pause_s):
            self._backoff.reset()

    def _drop(self, batch: Batch[Item], reason: str, why: str) -> None:
        self._reports.report(f"dropped ({reason})", len(batch.items), why, ERROR)
        self.waiting.drop(batch, reason)

    def _overflow(self, items: int) -> None:
        self._reports.report(
            f"dropped ({stats.QUEUE_FULL})", items, "the oldest made room for newer ones", ERROR
        )

    def _hand_over(self, batch: Batch[Item], rejected: list[tuple[int, str, str]]) -> None:
        if rejected:
            index, code, message = rejected[0]
            self._reports.report(
                "rejected", len(rejected), f"{code} {message} (item {index} of {len(batch.items)})"
            )
        if self._on_rejected is None:
            return
        for index, code, message in rejected:
            item = self._signal.unpack(batch.items[index])
            try:
                self._on_rejected(Rejection(self._signal.name, item, code, message))
            except Exception:  # noqa: BLE001  the application's code must not end our thread
                log.exception("on_rejected failed")
