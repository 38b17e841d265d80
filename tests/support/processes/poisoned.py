"""An aggregator that a certain record ends: `python -m tests.support.processes.poisoned`.

It is the service's own fold, tables and runtime, but for a value that begins with `POISON`, which raises. So tests see
what a record does that meets a bug which nobody knows of.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

from services.aggregator import app
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.adapters.stream import Aggregation, PointFold
from services.aggregator.settings import Settings
from shared.errors import UnknownVersion
from shared.postgres import connections
from shared.postgres.connections import Connection
from shared.runtime import logging, loop, settings
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import stop_event
from shared.stream.containment.death_store import DeathTable
from shared.stream.group import Group
from shared.stream.log.reader import KafkaLog
from shared.stream.ownership import Ownership
from shared.stream.processor import Key, Record, Stored
from shared.stream.pump import Pump
from shared.stream.runtimes import choice
from shared.wire.topics import METRICS

POISON = b"poison"


class PoisonedFold:
    """A fold that does not survive the poison."""

    def __init__(self, fold: PointFold) -> None:
        self._fold = fold

    def fold(self, record: Record) -> None:
        """Fold it, unless it is poison."""
        if record.value and record.value.startswith(POISON):
            raise RuntimeError("a bug that nobody knows of")
        self._fold.fold(record)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fold, name)


class PoisonedAggregation(Aggregation):
    """The aggregator with such folds."""

    async def restore(self, connection: Connection, stored: Mapping[Key, Stored]) -> Mapping[Key, Any]:
        """As it is, but for the poison."""
        found = await super().restore(connection, stored)
        return {
            key: fold if isinstance(fold, UnknownVersion) else PoisonedFold(fold)
            for key, fold in found.items()
        }


async def run(chosen: Settings) -> None:
    """Aggregate until SIGTERM."""
    stopping = stop_event()
    owner = f"poisoned-{socket.gethostname()}-{os.getpid()}"
    pool = await connections.pool(chosen.postgres, chosen.pool_size)
    topic = WindowTopic(Sender(chosen.kafka, owner), chosen.topic_prefix)
    processor = PoisonedAggregation(RollupTables(), BatchIds(), topic)
    pump = Pump(processor, Ownership(pool, owner), KafkaLog(chosen.kafka, owner), DeathTable(pool))
    prefix = chosen.topic_prefix
    group = Group(chosen.kafka, prefix + app.GROUP, (prefix + METRICS.name,), owner)
    await choice.run(chosen.runtime, pump, group, stopping)
    pool.terminate()


if __name__ == "__main__":
    logging.configure("poisoned")
    loop.run(run(settings.load(Settings, "AGGREGATOR", os.environ)))
