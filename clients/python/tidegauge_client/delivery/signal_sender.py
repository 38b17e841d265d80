"""The sender of one signal: one queue, one connection, one thread that sends, one that saves where there is a spool.

Seconds are monotonic. Invariant: a signal never waits for the other, and nothing is saved later because the gateway is
away.
"""

import time
from collections.abc import Callable
from threading import Thread, current_thread
from typing import Generic

from tidegauge_client.delivery.answer import Again, Verdict, verdict
from tidegauge_client.delivery.batch import Batch, Content, batches
from tidegauge_client.delivery.following import Following, OnRejected
from tidegauge_client.delivery.reports import Reports
from tidegauge_client.delivery.spool.spool import Spool
from tidegauge_client.delivery.transport import Transport, Unreachable
from tidegauge_client.delivery.waiting import Waiting
from tidegauge_client.settings import Settings, SpoolSettings
from tidegauge_client.signal import Item, Signal

SAVE_AGAIN_S = 5.0
"""Pause after a batch could not be saved."""


class SignalSender(Generic[Item]):
    """Carries items of one signal to the gateway."""

    def __init__(
        self,
        signal: Signal[Item],
        transport: Transport,
        settings: Settings,
        spool: SpoolSettings | None,
        on_rejected: OnRejected | None,
    ) -> None:
        self._transport = transport
        self._reports = Reports(signal.name)
        self._name = signal.name
        self._threads: dict[str, Thread] = {}
        self._starting = False
        self.spool = None if spool is None else Spool(signal, spool)
        self.waiting = Waiting(signal, settings, self.spool, self._running, self._reports.shed)
        self._following = Following(self.waiting, settings, spool, self._reports, on_rejected)
        self.put = self.waiting.put
        """Adds an item; a direct reference, because it is called millions of times."""
        if self.spool is not None and self.spool.others():
            self.waiting.begin()

    def close(self) -> None:
        """Accept no more items; the threads end after their present work."""
        self.waiting.close()
        if not self._alive(self._save if self.spool else self._send):
            self._finish()

    def join(self, until_s: float) -> None:
        """Wait for the end of the threads."""
        for thread in list(self._threads.values()):
            if thread is not current_thread():
                thread.join(max(0.0, until_s - time.monotonic()))
        if self.spool is not None and not any(thread.is_alive() for thread in self._threads.values()):
            self.waiting.abandon()
            self.spool.release()

    def reborn(self) -> None:
        """In a forked child: start with an empty queue and no thread, and leave the parent's connection alone."""
        self._threads, self._starting = {}, False
        self._following.backoff.reset()
        self._transport.forget()
        if self.spool is not None:
            self.spool.forget()
        self.waiting.empty()

    def _running(self) -> bool:
        """Whether the threads run; they are started when they do not. The caller holds the lock of the queue.

        A signal handler of the caller's own thread may come by at any step; it starts no second thread.
        """
        if self._starting:
            return True
        self._starting = True
        try:
            for work in (self._send, self._save) if self.spool else (self._send,):
                if not self._alive(work):
                    name = f"tidegauge-{self._name}" + ("-spool" if work == self._save else "")
                    thread = Thread(target=work, name=name, daemon=True)
                    thread.start()
                    self._threads[work.__name__] = thread
        except RuntimeError:  # the interpreter is ending, or the machine has no thread to give
            return False
        finally:
            self._starting = False
        return True

    def _alive(self, work: Callable[[], None]) -> bool:
        thread = self._threads.get(work.__name__)
        return thread is not None and thread.is_alive()

    def _send(self) -> None:
        while (batch := self.waiting.first()) is not None:
            if (content := self._following.content(batch)) is None:
                continue
            pauses = self._following.follow(batch, content, self._sent(batch, content))
            if pauses is not None and self.waiting.pause(*pauses):
                self._following.backoff.reset()
        self._transport.close()

    def _sent(self, batch: Batch, content: Content) -> Verdict:
        first = False
        try:
            self._transport.connect()
            first = self._following.attempt(batch)
            found = verdict(self._transport.post(batch, content), batch.count)
        except Unreachable as problem:
            found = Again(0.0, str(problem), in_doubt=problem.in_doubt)
        if first and isinstance(found, Again) and not found.in_doubt:
            self._following.withdraw(batch)
        return found

    def _save(self) -> None:
        while (taken := self.waiting.taken()) is not None:
            self._following.add(batches(self.waiting.signal, taken.items, taken.start))
            while not self.waiting.all_saved and self.waiting.rest(SAVE_AGAIN_S):
                self._following.save_again()

    def _finish(self) -> None:
        """Save what is left, where no thread runs that would; drop what cannot be."""
        if self.spool is not None:
            while (taken := self.waiting.taken()) is not None:
                self._following.add(batches(self.waiting.signal, taken.items, taken.start))
        self.waiting.abandon()
