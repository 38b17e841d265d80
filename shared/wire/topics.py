"""Every Kafka topic: its name, its writers and readers, and how it is created.

Times are milliseconds, sizes bytes. No topic is created automatically. Invariant: a topic whose configuration differs
from its declaration here is refused.
"""

from dataclasses import dataclass

DEFAULT_PARTITIONS = 12
"""Partitions of each topic; fixed for the life of a topic version, for series are routed by it."""

RETENTION_MS = 3 * 24 * 3600 * 1000
"""How long a record is kept: the longest outage of a consumer that loses nothing."""

MAX_MESSAGE_BYTES = 1_048_588
"""The broker's limit on one record batch; producers stay below it."""


MIN_INSYNC = "min.insync.replicas"
"""Kafka's name of how many replicas must have a record before it is acknowledged."""


def min_insync(replicas: int) -> int:
    """How many that must be: two where there are three or more, so that what is acknowledged outlives a broker, and
    one broker may be away. Two of two would stop every producer while one of them is.
    """
    return 2 if replicas >= 3 else 1


@dataclass(frozen=True, slots=True)
class Topic:
    """One declared topic; `config` holds Kafka's own names and values as text."""

    name: str
    """Versioned name."""
    value: str
    """What a record carries, in a phrase."""
    writers: tuple[str, ...]
    """Services that publish to it."""
    readers: tuple[str, ...]
    """Services that consume it, each under checkpoints of its own."""
    followers: tuple[str, ...] = ()
    """Services whose processes each read all of it for themselves, without a checkpoint."""
    max_message_bytes: int = MAX_MESSAGE_BYTES
    """Largest record batch the broker takes."""

    @property
    def config(self) -> dict[str, str]:
        """Kafka topic configuration, keys and values as the broker reports them."""
        return {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(RETENTION_MS),
        }


METRICS = Topic(
    "telemetry.metrics.v1", "columnar batch of points", ("gateway", "ingest", "aggregator"), ("aggregator",)
)
EVENTS = Topic("telemetry.events.v1", "JSON batch of events", ("gateway",), ("ingest",))
WINDOWS = Topic(
    "telemetry.windows.v1", "batch of windows, live or closed", ("aggregator",), ("alerts",), ("gateway",)
)
ALERTS = Topic("telemetry.alerts.v1", "CloudEvents JSON, one a transition", ("alerts",), ())
DEADLETTER = Topic(
    "telemetry.deadletter.v1",
    "a refused record: reason, origin and original bytes",
    ("ingest", "aggregator", "alerts"),
    (),
    # It carries the largest record of any other topic, and says more.
    max_message_bytes=MAX_MESSAGE_BYTES + 64 * 1024,
)

TOPICS = (METRICS, EVENTS, WINDOWS, ALERTS, DEADLETTER)
"""All topics that the running services use."""
