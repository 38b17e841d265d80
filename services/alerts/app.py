"""Wires alerts: the pump drives the judgement, the outbox is delivered beside it, the rule file is followed.

Spans are seconds. The law: rules are sound before anything connects; no receiver and no rule file delays a commit.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

from services.alerts.adapters.delivery import Delivery
from services.alerts.adapters.outbox import Outbox
from services.alerts.adapters.postgres import MAINTENANCE, AlertTables
from services.alerts.adapters.receivers.topic import AlertTopic
from services.alerts.adapters.receivers.webhook import Webhook
from services.alerts.adapters.reload import RuleFile
from services.alerts.adapters.stream import AlertFold, Alerting, DeadLetters
from services.alerts.ports import Receiver
from services.alerts.service import MAX_ALERTS, MAX_KNOWN, AlertWork, PartitionAlerts
from services.alerts.settings import Settings, webhooks
from shared.model.bound import Bound
from shared.postgres import connections, maintenance, schema
from shared.runtime import instruments
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import background, stop_event
from shared.stream import runtimes
from shared.stream.group import Group
from shared.stream.ownership import Ownership
from shared.stream.pump import Pump
from shared.wire.topics import WINDOWS

GROUP = "tidegauge-alerts"
"""Consumer group; its offsets are a mirror for lag tools."""

LAST_S = 2.0
"""How long a process that is told to stop goes on delivering; the rest waits in the outbox."""


async def run(settings: Settings) -> None:
    """Judge and tell until SIGTERM or SIGINT; raises what the process cannot go on from."""
    owner = f"alerts-{socket.gethostname()}-{os.getpid()}"
    file = RuleFile(settings.rules)
    receivers = _receivers(settings, owner)
    stopping = stop_event()
    following = background(file.follow(), "rule file")
    pool = await connections.pool(settings.postgres, settings.pool_size)
    topic = settings.topic_prefix + WINDOWS.name
    deliveries = [Delivery(Outbox(pool, topic), receiver) for receiver in receivers]
    sender = Sender(settings.kafka, owner)
    dead = DeadLetters(sender, settings.topic_prefix, settings.write_version)
    alerting = Alerting(file.rule_set, AlertTables(receivers), dead, lambda: _wake(deliveries))
    await schema.require(pool, stopping)
    await maintenance.begin(pool, MAINTENANCE, stopping)
    running = [background(delivery.run(), f"receiver {delivery.receiver.name}") for delivery in deliveries]
    group = Group(settings.kafka, settings.topic_prefix + GROUP, (topic,), owner)
    pump = Pump(alerting, Ownership(pool, owner))
    instruments.serve(
        "alerts", settings.metrics_host, settings.metrics_port, (*pump.bounds(), *_bounds(pump))
    )
    await runtimes.run(settings.runtime, pump, group, stopping)
    following.cancel()
    await _finish(deliveries, running)
    await asyncio.gather(sender.close(), *(delivery.close() for delivery in deliveries))
    pool.terminate()


def _bounds(pump: Pump[AlertWork]) -> tuple[Bound, ...]:
    """What the fullest partition remembers, and what all had no room for."""

    def states() -> list[PartitionAlerts]:
        folds = [owned.fold for owned in list(pump.owned.values())]
        return [fold.state for fold in folds if isinstance(fold, AlertFold)]

    def fullest(owned: Callable[[PartitionAlerts], int]) -> Callable[[], int]:
        return lambda: max(map(owned, states()), default=0)

    return (
        Bound("known_series", "entries", MAX_KNOWN, fullest(lambda state: state.known)),
        Bound(
            "alerts",
            "entries",
            MAX_ALERTS,
            fullest(lambda state: len(state.alerts)),
            lambda: sum(state.evicted for state in states()),
        ),
    )


def _receivers(settings: Settings, owner: str) -> list[Receiver]:
    external_url = settings.external_url.rstrip("/")
    named = webhooks(settings.webhooks).items()
    topic = AlertTopic(
        Sender(settings.kafka, f"{owner}-topic"), settings.topic_prefix, settings.write_version
    )
    return [topic, *(Webhook(name, url, external_url) for name, url in named)]


def _wake(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        delivery.wake()


async def _finish(deliveries: Sequence[Delivery], running: Sequence[asyncio.Task[None]]) -> None:
    """Deliver what is due, for a moment."""
    for delivery in deliveries:
        delivery.stop()
    if running:
        _, late = await asyncio.wait(running, timeout=LAST_S)
        for task in late:
            task.cancel()
