"""Wires dispatch: a router, and an owner for each receiver.

Spans are seconds. Dispatch has tasks of its own: evaluation only wakes it.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from services.alerts.dispatch.adapters.groups import GroupedNotifications
from services.alerts.dispatch.adapters.handover import AfterCommit, WithinTransaction
from services.alerts.dispatch.adapters.notifications import Notifications
from services.alerts.dispatch.adapters.outbox import AlertOutbox
from services.alerts.dispatch.adapters.reconciler import Reconciler
from services.alerts.dispatch.domain.group import INTERVAL_S
from services.alerts.dispatch.owner import ReceiverOwner
from services.alerts.dispatch.ports import Receiver
from services.alerts.dispatch.router import Router
from shared.postgres.connections import Pool, connection
from shared.runtime.lifecycle import background
from shared.wire.versions import OLD, WriteVersion


class Dispatcher:
    """Dispatch of one system, in this process."""

    def __init__(
        self, pool: Pool, topic: str, receivers: Sequence[Receiver], group_interval_s: float = INTERVAL_S
    ) -> None:
        self._topic = topic
        self._receivers = receivers
        alone, grouped = (
            Notifications(pool, topic),
            GroupedNotifications(pool, topic, interval_s=group_interval_s),
        )
        self._owners = [
            ReceiverOwner(alone if receiver.groups is None else grouped, receiver) for receiver in receivers
        ]
        self._router = Router(
            AlertOutbox(topic, partial(connection, pool)),
            Reconciler(pool, topic, receivers),
            receivers,
            self._wake_owners,
        )

    def handover(self, write_version: WriteVersion) -> AfterCommit | WithinTransaction:
        """What evaluation hands its transitions to."""
        if write_version == OLD:
            return WithinTransaction(self._topic, self._receivers, self._wake_owners)
        return AfterCommit(self._router)

    def start(self) -> None:
        """Begin to route and to deliver."""
        self._routing = background(self._router.run(), "router")
        self._delivering = [
            background(owner.run(), f"receiver {owner.receiver.name}") for owner in self._owners
        ]

    async def finish(self, limit_s: float) -> None:
        """Dispatch what is due, for a moment; then break off."""
        try:
            async with asyncio.timeout(limit_s):
                self._router.stop()
                await self._routing
                for owner in self._owners:
                    owner.stop()
                await asyncio.wait(self._delivering)
        except TimeoutError:
            for task in (self._routing, *self._delivering):
                task.cancel()
        await asyncio.gather(*(owner.close() for owner in self._owners))

    def _wake_owners(self) -> None:
        for owner in self._owners:
            owner.wake()
