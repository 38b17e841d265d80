"""The sender of one signal in an event loop: a task that sends, and one that saves where there is a spool.

Seconds are monotonic. The tasks may be cancelled at any step: a batch is in the backlog, and in its file, until the
gateway has answered for it. Files are written within the loop, which takes a fraction of a millisecond each.
"""

import asyncio
from typing import Generic

from tidegauge_client.delivery.aio.transport import AsyncTransport
from tidegauge_client.delivery.aio.waiting import AsyncWaiting
from tidegauge_client.delivery.answer import Again, Verdict, verdict
from tidegauge_client.delivery.batch import Batch, Content, batches
from tidegauge_client.delivery.following import Following, OnRejected
from tidegauge_client.delivery.reports import Reports
from tidegauge_client.delivery.signal_sender import SAVE_AGAIN_S
from tidegauge_client.delivery.spool.spool import Spool
from tidegauge_client.delivery.transport import Unreachable
from tidegauge_client.settings import Settings, SpoolSettings
from tidegauge_client.signal import Item, Signal


class AsyncSignalSender(Generic[Item]):
    """Carries items of one signal to the gateway."""

    def __init__(
        self,
        signal: Signal[Item],
        transport: AsyncTransport,
        settings: Settings,
        spool: SpoolSettings | None,
        on_rejected: OnRejected | None,
    ) -> None:
        self._transport = transport
        self._reports = Reports(signal.name)
        self._tasks: list[asyncio.Task[None]] = []
        self.spool = None if spool is None else Spool(signal, spool)
        self.waiting = AsyncWaiting(signal, settings, self.spool, self.running, self._reports.shed)
        self._following = Following(self.waiting, settings, spool, self._reports, on_rejected)
        self.put = self.waiting.put
        """Adds an item; a direct reference, because it is called millions of times."""

    def running(self) -> bool:
        """Whether the tasks run; they are started when they do not, and a loop runs here."""
        if self._tasks and not any(task.done() for task in self._tasks):
            return True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another thread, or no loop yet: what is handed over waits for one
            return False
        for task in self._tasks:  # of a loop that has ended, or whose end is near
            task.cancel()
        self._transport.close()
        self.waiting.attach(loop)
        works = (self._send, self._save) if self.spool else (self._send,)
        self._tasks = [
            loop.create_task(work(), name=f"tidegauge-{self.waiting.signal.name}") for work in works
        ]
        return True

    def stop(self) -> list[asyncio.Task[None]]:
        """Take nothing more, cancel the tasks, and leave what is not settled in the spool; nothing here is awaited."""
        self.waiting.close()
        for task in self._tasks:
            task.cancel()
        self.save_now()
        self.waiting.abandon()
        if self.spool is not None:
            self.spool.release()
        return self._tasks

    def save_now(self) -> None:
        """Put into the spool what waits for a batch."""
        while self.spool is not None and self.waiting.has_items:
            taken = self.waiting.take()
            self._following.add(batches(self.waiting.signal, taken.items, taken.start))

    def reborn(self) -> None:
        """In a forked child: start with an empty queue and no task, and leave the parent's connection alone."""
        self._tasks = []
        self._following.backoff.reset()
        self._transport.forget()
        if self.spool is not None:
            self.spool.forget()
        self.waiting.empty()

    async def _send(self) -> None:
        try:
            while (batch := await self.waiting.first()) is not None:
                if (content := self._following.content(batch)) is None:
                    continue
                pauses = self._following.follow(batch, content, await self._sent(batch, content))
                if pauses is not None and await self.waiting.pause(*pauses):
                    self._following.backoff.reset()
        finally:
            self._transport.close()

    async def _sent(self, batch: Batch, content: Content) -> Verdict:
        first = False
        try:
            await self._transport.connect()
            first = self._following.attempt(batch)
            found = verdict(await self._transport.post(batch, content), batch.count)
        except Unreachable as problem:
            found = Again(0.0, str(problem), in_doubt=problem.in_doubt)
        if first and isinstance(found, Again) and not found.in_doubt:
            self._following.withdraw(batch)
        return found

    async def _save(self) -> None:
        try:
            while (taken := await self.waiting.taken()) is not None:
                self._following.add(batches(self.waiting.signal, taken.items, taken.start))
                while not self.waiting.all_saved and await self.waiting.rest(SAVE_AGAIN_S):
                    self._following.save_again()
        finally:  # the loop ends, and the application has not closed the client
            self.save_now()
