"""Owns the way to one receiver: claims notifications, renders and delivers several at once, notes the results.

Invariant: a slow or dead receiver delays no other and no commit; nothing is delivered outside a lease; and a process
that ends in between leaves everything to the next one.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

import structlog

from services.alerts.dispatch.ports import (
    DeliveryResult,
    Notification,
    NotificationQueue,
    Payload,
    Receiver,
)
from services.alerts.dispatch.wakeup import POLL_S, Wakeup
from services.alerts.domain.transition import Transition
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background

_GONE = DeliveryResult("impossible", "its transition is no longer in alert_event")

_log = structlog.get_logger(__name__)


class ReceiverOwner:
    """Delivers to one receiver."""

    def __init__(self, queue: NotificationQueue, receiver: Receiver, poll_s: float = POLL_S) -> None:
        self.receiver = receiver
        self._queue = queue
        self._wakeup = Wakeup(poll_s)
        self._calls: set[asyncio.Task[None]] = set()
        self._results: list[tuple[Notification, DeliveryResult]] = []

    def wake(self) -> None:
        """Look at once: something new may be due."""
        self._wakeup.wake()

    def stop(self) -> None:
        """Let `run` return once it has delivered what is due now."""
        self._wakeup.stop()

    async def run(self) -> None:
        """Deliver until stopped and nothing is due any more."""
        while await self._turn() or not self._wakeup.stopping:
            await self._wakeup.rest()

    async def close(self) -> None:
        """Break off what is under way; its lease lapses and another process delivers it again."""
        for call in self._calls:
            call.cancel()
        await self.receiver.close()

    async def _turn(self) -> bool:
        """Note results and begin what is due; whether anything is under way."""
        self._wakeup.clear()
        try:
            await self._record()
            await self._begin()
        except Unavailable as problem:
            _log.warning("notifications out of reach", receiver=self.receiver.name, problem=str(problem))
            self._wakeup.clear()
        return bool(self._calls or self._results)

    async def _record(self) -> None:
        results = list(self._results)
        for recorded in await self._queue.record(results):
            facts = {"receiver": self.receiver.name, "key": recorded.key, "attempts": recorded.attempts}
            if recorded.given_up:
                _log.error("notification given up", **facts, problem=recorded.problem)
            elif recorded.problem is not None:
                _log.warning("notification put off", **facts, problem=recorded.problem)
        del self._results[: len(results)]

    async def _begin(self) -> None:
        batch, room = self.receiver.batch, self.receiver.concurrency - len(self._calls)
        due = await self._queue.claim(self.receiver.name, room * batch) if room else []
        for members in _calls(due, batch):
            call = background(self._deliver(members), f"call of {self.receiver.name}")
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _deliver(self, notifications: Sequence[Notification]) -> None:
        known = [each for each in notifications if each.content is not None]
        result = await self._delivered(self._payloads(known)) if known else _GONE
        self._results += [(each, _GONE if each.content is None else result) for each in notifications]
        self.wake()

    async def _delivered(self, payloads: Sequence[Payload]) -> DeliveryResult:
        if monotonic_s() >= min(payload.lease_end_s for payload in payloads):
            return DeliveryResult("again", "the lease had ended before it could be delivered")
        return await self.receiver.deliver(payloads)

    def _payloads(self, notifications: Sequence[Notification]) -> list[Payload]:
        """What one call delivers: a payload each, or one of all members of a message."""
        first, groups = notifications[0], self.receiver.groups
        if first.group is None or first.message is None or groups is None:
            return [Payload(each.key, self._body(each), each.lease_end_s) for each in notifications]
        said = [_said(each.content, each) for each in notifications if isinstance(each.content, Transition)]
        return [Payload(first.message, groups.render(first.group, said), first.lease_end_s)]

    def _body(self, notification: Notification) -> bytes:
        content = notification.content
        if isinstance(content, Transition):
            return self.receiver.render(_said(content, notification))
        return content or b""


def _said(transition: Transition, notification: Notification) -> Transition:
    """What is told of a transition: less where that was too large."""
    return replace(transition, annotations={}) if notification.reduced else transition


def _calls(due: Sequence[Notification], batch: int) -> Iterator[Sequence[Notification]]:
    """Notifications by the calls that deliver them: those of a message together, others as many as a call takes."""
    alone = [each for each in due if each.message is None]
    for first in range(0, len(alone), batch):
        yield alone[first : first + batch]
    members = (each for each in due if each.message is not None)
    for _, message in groupby(members, key=attrgetter("message")):
        yield list(message)
