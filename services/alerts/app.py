"""Wires alerts: the pump drives evaluation, dispatch runs beside it, the rule file is followed.

Spans are seconds. Rules are sound before anything connects; no receiver and no rule file delays a commit.
"""

import asyncio
import os
import socket
from collections.abc import Callable

from services.alerts.dispatch.adapters import by_hand, notifications
from services.alerts.dispatch.adapters.receivers.pagerduty import PagerDuty
from services.alerts.dispatch.adapters.receivers.slack import Slack
from services.alerts.dispatch.adapters.receivers.topic import AlertTopic
from services.alerts.dispatch.adapters.receivers.webhook import Webhook
from services.alerts.dispatch.app import Dispatcher
from services.alerts.dispatch.ports import Receiver
from services.alerts.evaluation.adapters import postgres as tables
from services.alerts.evaluation.adapters.reload import RuleFile
from services.alerts.evaluation.adapters.stream import AlertFold, Alerting, DeadLetters
from services.alerts.evaluation.domain.history import MAX_ROWS
from services.alerts.evaluation.service import MAX_ALERTS, MAX_KNOWN, AlertWork, PartitionAlerts
from services.alerts.settings import Settings, group_by, routing_keys, secrets_of, webhooks
from shared.alerts.silences import tables as silences
from shared.model.bound import Bound
from shared.postgres import connections, installation, maintenance, schema
from shared.runtime import instruments
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import background, stop_event
from shared.stream import dead_letters
from shared.stream.containment.death_store import DeathTable
from shared.stream.group import Group
from shared.stream.log.expected import ExpectedTopics
from shared.stream.log.reader import KafkaLog
from shared.stream.ownership import Ownership
from shared.stream.pump import Pump
from shared.stream.runtimes import choice
from shared.wire.series import keyed
from shared.wire.topics import WINDOWS
from shared.wire.versions import OLD

GROUP = "tidegauge-alerts"
"""Consumer group; its offsets are a mirror for lag tools."""

LAST_S = 2.0
"""How long a process that was asked to stop goes on delivering; the rest waits in the tables."""


async def run(settings: Settings) -> None:
    """Evaluate and dispatch until SIGTERM or SIGINT; raises what the process cannot go on from."""
    name = f"alerts-{socket.gethostname()}-{os.getpid()}"
    file = RuleFile(settings.rules)
    receivers = _receivers(settings, name)
    stopping = stop_event()
    following = background(file.follow(), "rule file")
    pool = await connections.pool(settings.postgres, settings.pool_size)
    topic = settings.topic_prefix + WINDOWS.name
    dispatch = Dispatcher(pool, topic, receivers, settings.group_interval_s)
    sender = Sender(settings.kafka, name, check=ExpectedTopics(pool))
    dead = DeadLetters(sender, settings.topic_prefix, settings.write_version)
    handover = dispatch.handover(settings.write_version)
    await schema.require(pool, stopping)
    id_of = keyed(await installation.series_secret(pool, stopping))
    # A build of version 4 goes on with open episodes as it knows them: without what tells their series apart.
    named = settings.write_version != OLD
    alerting = Alerting(file.rule_set, tables.AlertTables(), dead, handover, id_of, named=named)
    kept = (
        *notifications.MAINTENANCE, *silences.MAINTENANCE, *by_hand.MAINTENANCE, *tables.MAINTENANCE,
        *dead_letters.MAINTENANCE,
    )  # fmt: skip
    await maintenance.begin(pool, kept, stopping)
    dispatch.start()
    group = Group(settings.kafka, settings.topic_prefix + GROUP, (topic,), name)
    log = KafkaLog(settings.kafka, name)
    pump = Pump(alerting, Ownership(pool, name), log, DeathTable(pool))
    instruments.serve(
        "alerts", settings.metrics_host, settings.metrics_port, (*pump.bounds(), *_bounds(pump))
    )
    await choice.run(settings.runtime, pump, group, stopping)
    following.cancel()
    await dispatch.finish(LAST_S)
    await asyncio.gather(sender.close(), log.close())
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
        Bound(
            "kept_windows",
            "entries",
            MAX_ROWS,
            fullest(lambda state: len(state.history)),
            lambda: sum(state.history.evicted for state in states()),
        ),
    )


def _receivers(settings: Settings, owner: str) -> list[Receiver]:
    url, by = settings.external_url.rstrip("/"), group_by(settings.group_by)
    hooks = webhooks(settings.webhooks)
    services = routing_keys(settings.pagerduty, hooks)
    channels = webhooks(settings.slack, "ALERTS_SLACK", {**hooks, **services})
    secrets = secrets_of(settings.webhook_secrets, hooks)
    topic = AlertTopic(
        Sender(settings.kafka, f"{owner}-topic"), settings.topic_prefix, settings.write_version
    )
    return [
        topic,
        *(Webhook(name, to, url, group_by=by, secrets=secrets.get(name, ())) for name, to in hooks.items()),
        *(PagerDuty(name, key, url) for name, key in services.items()),
        *(Slack(name, to, url, group_by=by) for name, to in channels.items()),
    ]
