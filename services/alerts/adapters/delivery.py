"""Delivers what the outbox holds to one receiver: claims, tells several at once, notes what became of it.

Spans are seconds. The law: a slow or dead receiver delays nobody else and no commit; nothing is told outside a lease;
and a process that ends in between leaves everything to the next one.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from services.alerts.adapters.outbox import Outbox
from services.alerts.ports import DeliveryResult, Notification, Receiver
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background
from shared.runtime.retry import spread

LOOK_EVERY_S = 1.0
"""Longest time between two looks at the outbox: for what failed before, and for what others left."""

_log = structlog.get_logger(__name__)


class Delivery:
    """The way to one receiver."""

    def __init__(self, outbox: Outbox, receiver: Receiver, look_every_s: float = LOOK_EVERY_S) -> None:
        self.receiver = receiver
        self._look_every_s = look_every_s
        self._outbox = outbox
        self._stirred = asyncio.Event()
        self._stopping = False
        self._calls: set[asyncio.Task[None]] = set()
        self._results: list[tuple[Notification, DeliveryResult]] = []

    def wake(self) -> None:
        """Look at once: something new may be due."""
        self._stirred.set()

    async def run(self) -> None:
        """Deliver until told to stop and nothing is due any more."""
        while await self._turn() or not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(spread(self._look_every_s)):
                    await self._stirred.wait()

    def stop(self) -> None:
        """Let `run` return once it has delivered what is due now."""
        self._stopping = True
        self.wake()

    async def close(self) -> None:
        """Break off what is under way; its lease lapses and somebody tells it again."""
        for call in self._calls:
            call.cancel()
        await self.receiver.close()

    async def _turn(self) -> bool:
        """Note what was told and begin what is due; whether anything is under way."""
        self._stirred.clear()
        try:
            await self._settle()
            await self._begin()
        except Unavailable as problem:
            _log.warning("outbox out of reach", receiver=self.receiver.name, problem=str(problem))
            self._stirred.clear()
        return bool(self._calls or self._results)

    async def _settle(self) -> None:
        results = list(self._results)
        for settled in await self._outbox.settle(results):
            facts = {"receiver": self.receiver.name, "key": settled.key, "attempts": settled.attempts}
            if settled.given_up:
                _log.error("notification given up", **facts, problem=settled.problem)
            elif settled.problem is not None:
                _log.warning("notification put off", **facts, problem=settled.problem)
        del self._results[: len(results)]

    async def _begin(self) -> None:
        batch, room = self.receiver.batch, self.receiver.at_once - len(self._calls)
        due = await self._outbox.claim(self.receiver.name, room * batch) if room else []
        for first in range(0, len(due), batch):
            call = background(self._deliver(due[first : first + batch]), f"call of {self.receiver.name}")
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _deliver(self, notifications: Sequence[Notification]) -> None:
        if monotonic_s() >= min(notification.until_s for notification in notifications):
            answer = DeliveryResult("again", "the lease had ended before it could be told")
        else:
            answer = await self.receiver.deliver(notifications)
        self._results += [(notification, answer) for notification in notifications]
        self.wake()
