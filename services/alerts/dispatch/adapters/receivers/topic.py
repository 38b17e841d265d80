"""Appends to the topic `telemetry.alerts.v1`: one CloudEvent a transition, an alert's in one partition.

Delivered means acknowledged by all replicas; what is delivered twice bears the same id.
"""

from collections.abc import Sequence
from dataclasses import asdict

from services.alerts.dispatch.ports import DELIVERED, DeliveryResult, Payload
from services.alerts.domain.identity import placement
from services.alerts.domain.transition import Transition
from shared.errors import Unavailable
from shared.runtime.kafka import Message, Sender
from shared.wire import alerts
from shared.wire.topics import ALERTS
from shared.wire.versions import OLD

_FIELDS = (
    "rule", "reason", "labels", "annotations", "value", "threshold", "expr", "window_start_ms", "at_ms", "active_at_ms",
    "fired_at_ms", "resolved_at_ms", "episode_ms", "decided_on", "count", "revision", "watermark_ms",
)  # fmt: skip
"""What the topic calls as the transition does."""


class AlertTopic:
    """The topic of alerts as a receiver."""

    name = ALERTS.name
    concurrency = 1
    batch = 256
    hears_all = True
    groups = None

    def __init__(self, sender: Sender, prefix: str = "", version: int = OLD) -> None:
        self._sender = sender
        self._version = version
        self._topic = prefix + ALERTS.name

    def render(self, transition: Transition) -> bytes:
        """A CloudEvent."""
        fields = asdict(transition)
        data = alerts.AlertTransition(state=fields["transition"], **{name: fields[name] for name in _FIELDS})
        return alerts.encode(
            transition.key, transition.fingerprint, data, self._version, placement(transition.labels)
        )

    async def deliver(self, payloads: Sequence[Payload]) -> DeliveryResult:
        """Append them."""
        try:
            partitions = await self._sender.partitions(self._topic)
            messages = [
                Message(self._topic, alerts.partition_of(payload.body, partitions), payload.body)
                for payload in payloads
            ]
            await self._sender.send(messages)
        except Unavailable as problem:
            return DeliveryResult("again", str(problem))
        return DELIVERED

    async def close(self) -> None:
        """Let the producer go."""
        await self._sender.close()
