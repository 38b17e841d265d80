"""Takes transitions over from evaluation: after its transaction, or within it while builds of version 4 may follow.

A build of version 4 knows no outbox of transitions. Until `write_version` says that none is left, each transition is
routed and rendered in the transaction that writes it, so that whoever owns the partition next can deliver it.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

from services.alerts.dispatch.adapters.outbox import AlertOutbox
from services.alerts.dispatch.ports import Receiver
from services.alerts.dispatch.router import Router, route
from shared.postgres.connections import Connection


class AfterCommit:
    """Wakes the router."""

    def __init__(self, router: Router) -> None:
        self.wake = router.wake

    async def within(self, connection: Connection) -> None:
        """Nothing: the outbox has it all."""


class WithinTransaction:
    """Routes and renders; forget it with version 4."""

    def __init__(self, topic: str, receivers: Sequence[Receiver], wake_owners: Callable[[], None]) -> None:
        self.wake = wake_owners
        self._topic = topic
        self._receivers = receivers

    async def within(self, connection: Connection) -> None:
        """Leave nothing in the outbox."""
        outbox = AlertOutbox(self._topic, partial(nullcontext, connection))
        while await route(outbox, self._receivers, rendered=True):
            pass
