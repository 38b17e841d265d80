"""Assembles ingest: the pump, the intake, and the maintenance of its tables.

Every statement of ingest finds its rows by key, so the planner is told to use the keys.
"""

import asyncio
import os
import socket

from services.ingest.adapters.kafka import DerivedTopic
from services.ingest.adapters.postgres import EventTables
from services.ingest.adapters.stream import Ingestion
from services.ingest.projections.registry import PROJECTIONS
from services.ingest.settings import Settings
from shared.postgres import connections, installation, maintenance, planning, schema
from shared.runtime import instruments
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import stop_event
from shared.stream import dead_letters
from shared.stream.containment.death_store import DeathTable
from shared.stream.group import Group
from shared.stream.log.expected import ExpectedTopics
from shared.stream.log.reader import KafkaLog
from shared.stream.ownership import Ownership
from shared.stream.pump import Pump
from shared.stream.runtimes import choice
from shared.wire.series import keyed
from shared.wire.topics import EVENTS

GROUP = "tidegauge-ingest"
"""Consumer group; its offsets are a mirror for lag tools."""


async def run(settings: Settings) -> None:
    """Ingest until SIGTERM or SIGINT; raises what the process cannot go on from."""
    stopping = stop_event()
    owner = f"ingest-{socket.gethostname()}-{os.getpid()}"
    pool = await connections.pool(settings.postgres, settings.pool_size, planning.BY_KEY)
    sender = Sender(settings.kafka, owner, check=ExpectedTopics(pool))
    tables = EventTables(PROJECTIONS)
    log = KafkaLog(settings.kafka, owner)
    await schema.require(pool, stopping)
    id_of = keyed(await installation.series_secret(pool, stopping))
    topic = DerivedTopic(sender, PROJECTIONS, settings.topic_prefix, settings.write_version, id_of)
    pump = Pump(Ingestion(tables, topic), Ownership(pool, owner), log, DeathTable(pool))
    await maintenance.begin(pool, (*tables.maintenance, *dead_letters.MAINTENANCE), stopping)
    prefix = settings.topic_prefix
    group = Group(settings.kafka, prefix + GROUP, (prefix + EVENTS.name,), owner)
    instruments.serve("ingest", settings.metrics_host, settings.metrics_port, pump.bounds())
    await choice.run(settings.runtime, pump, group, stopping)
    await asyncio.gather(sender.close(), log.close())
    pool.terminate()
