"""Assembles ingest: the pump, the intake, and the maintenance of its tables.

Every statement of ingest finds its rows by key, so the planner is told to use the keys.
"""

import os
import socket

from services.ingest.adapters.kafka import DerivedTopic
from services.ingest.adapters.postgres import EventTables
from services.ingest.adapters.stream import Ingestion
from services.ingest.projections.registry import PROJECTIONS
from services.ingest.settings import Settings
from shared.postgres import connections, maintenance, planning, schema
from shared.runtime import instruments
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import stop_event
from shared.stream.group import Group
from shared.stream.ownership import Ownership
from shared.stream.pump import Pump
from shared.stream.runtimes import choice
from shared.wire.topics import EVENTS

GROUP = "tidegauge-ingest"
"""Consumer group; its offsets are a mirror for lag tools."""


async def run(settings: Settings) -> None:
    """Ingest until SIGTERM or SIGINT; raises what the process cannot go on from."""
    stopping = stop_event()
    owner = f"ingest-{socket.gethostname()}-{os.getpid()}"
    pool = await connections.pool(settings.postgres, settings.pool_size, **planning.BY_KEY)
    sender = Sender(settings.kafka, owner)
    tables = EventTables(PROJECTIONS)
    topic = DerivedTopic(sender, PROJECTIONS, settings.topic_prefix, settings.write_version)
    pump = Pump(Ingestion(tables, topic), Ownership(pool, owner))
    await schema.require(pool, stopping)
    await maintenance.begin(pool, tables.maintenance, stopping)
    prefix = settings.topic_prefix
    group = Group(settings.kafka, prefix + GROUP, (prefix + EVENTS.name,), owner)
    instruments.serve("ingest", settings.metrics_host, settings.metrics_port, pump.bounds())
    await choice.run(settings.runtime, pump, group, stopping)
    await sender.close()
    pool.terminate()
