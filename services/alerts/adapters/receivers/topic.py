"""Tells the topic `telemetry.alerts.v1`: one CloudEvent a transition, an alert's in one partition.

The law: told means acknowledged by all replicas; what is told twice bears the same id.
"""

from collections.abc import Sequence
from dataclasses import asdict

from services.alerts.domain.lifecycle import Transition
from services.alerts.ports import DELIVERED, DeliveryResult, Notification
from shared.errors import Unavailable
from shared.runtime.kafka import Message, Sender
from shared.wire import alerts
from shared.wire.topics import ALERTS
from shared.wire.versions import OLD


class AlertTopic:
    """The topic of alerts as a receiver."""

    name = ALERTS.name
    at_once = 1
    batch = 256

    def __init__(self, sender: Sender, prefix: str = "", version: int = OLD) -> None:
        self._sender = sender
        self._version = version
        self._topic = prefix + ALERTS.name

    def render(self, transition: Transition) -> bytes:
        """A CloudEvent."""
        evaluation = alerts.AlertTransition(
            rule=transition.rule,
            state=transition.transition,
            reason=transition.reason,
            labels=dict(transition.labels),
            annotations=dict(transition.annotations),
            threshold=transition.threshold,
            expr=transition.expr,
            at_ms=transition.at_ms,
            active_at_ms=transition.active_at_ms,
            fired_at_ms=transition.fired_at_ms,
            resolved_at_ms=transition.resolved_at_ms,
            episode_ms=transition.episode_ms,
            **asdict(transition.evaluation),
        )
        return alerts.encode(transition.key, transition.fingerprint, evaluation, self._version)

    async def deliver(self, notifications: Sequence[Notification]) -> DeliveryResult:
        """Append them."""
        try:
            partitions = await self._sender.partitions(self._topic)
            messages = [
                Message(self._topic, alerts.partition_of(n.body, partitions), n.body) for n in notifications
            ]
            await self._sender.send(messages)
        except Unavailable as problem:
            return DeliveryResult("again", str(problem))
        return DELIVERED

    async def close(self) -> None:
        """Let the producer go."""
        await self._sender.close()
