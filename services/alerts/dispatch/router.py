"""Replaces each transition of the outbox by a notification for each of its receivers, and heeds what people say.

Invariant: an alert's notifications are in the order of its transitions, however many processes route at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from services.alerts.dispatch.domain.group import group_of
from services.alerts.dispatch.domain.route import receivers_of
from services.alerts.dispatch.ports import (
    NewNotification,
    OutboxEntry,
    Receiver,
    Reconciliation,
    TransitionOutbox,
)
from services.alerts.dispatch.wakeup import POLL_S, Wakeup
from services.alerts.domain.transition import FIRING, RESOLVED, Transition
from shared.alerts.silences.matchers import Silence, muted_by
from shared.errors import Unavailable

BATCH = 256
"""Transitions that are routed at once."""

_log = structlog.get_logger(__name__)


class Router:
    """Routes what evaluation has committed, and what others have left."""

    def __init__(
        self,
        outbox: TransitionOutbox,
        reconciliation: Reconciliation,
        receivers: Sequence[Receiver],
        wake_owners: Callable[[], None],
        poll_s: float = POLL_S,
    ) -> None:
        self._outbox = outbox
        self._reconciliation = reconciliation
        self._receivers = receivers
        self._wake_owners = wake_owners
        self._wakeup = Wakeup(poll_s)

    def wake(self) -> None:
        """Look at once: transitions have been committed."""
        self._wakeup.wake()

    def stop(self) -> None:
        """Let `run` return once the outbox is empty."""
        self._wakeup.stop()

    async def run(self) -> None:
        """Route until stopped and nothing is left."""
        while await self._turn() or not self._wakeup.stopping:
            await self._wakeup.rest()

    async def _turn(self) -> bool:
        """Route one batch; whether there may be more."""
        self._wakeup.clear()
        try:
            routed = await route(self._outbox, self._receivers)
            due = await self._reconciliation.reconcile()
        except Unavailable as problem:
            _log.warning("outbox out of reach", problem=str(problem))
            return False
        if routed or due:
            self._wake_owners()
        if routed:
            self._wakeup.wake()
        return routed > 0


async def route(outbox: TransitionOutbox, receivers: Sequence[Receiver], *, rendered: bool = False) -> int:
    """Replace up to `BATCH` transitions by notifications; how many. `rendered`: with their bodies."""
    entries = await outbox.pending(BATCH)
    if entries:
        silences = await outbox.silences()
        await outbox.replace(entries, list(_notifications(entries, receivers, silences, rendered=rendered)))
    return len(entries)


def _notifications(
    entries: Iterable[OutboxEntry],
    receivers: Sequence[Receiver],
    silences: Sequence[Silence],
    *,
    rendered: bool,
) -> Iterator[NewNotification]:
    by_name = {receiver.name: receiver for receiver in receivers}
    for outbox_id, one, by_hand in entries:
        silence = muted_by(silences, one.tenant_id, one.labels) if one.transition == FIRING else None
        for name in receivers_of(one.transition, list(by_name)):
            receiver = by_name[name]
            if by_hand and one.transition == RESOLVED and not receiver.hears_all:
                continue
            yield NewNotification(
                outbox_id, name, one.key, one.rule, one.series_id, one.episode_ms, one.transition,
                receiver.render(one) if rendered else None, _group(receiver, one, alone=rendered),
                None if receiver.hears_all else silence,
            )  # fmt: skip


def _group(receiver: Receiver, one: Transition, *, alone: bool) -> str | None:
    """The group that a transition is told with; what is rendered by itself is told alone."""
    return None if alone or receiver.groups is None else group_of(one, receiver.groups.by)
