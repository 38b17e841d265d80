"""Settings of the aggregator, read once at start from `AGGREGATOR_*`, else `TIDEGAUGE_*`.

The names contain the units. A value out of range stops the start, with an error that names the setting.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from shared.stream.runtimes.choice import Runtime
from shared.wire.versions import OLD, WriteVersion

SHIPPED = Path(__file__).parents[2] / "deploy/metrics.yml"
"""The file of label sets that is installed beside the services."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    kafka: str
    """Address of Kafka, host:port."""
    postgres: str
    """Address of Postgres, postgresql://user@host:port/database."""
    redis: str
    """Address of Redis, redis://host:port."""
    runtime: Runtime = "aiokafka"
    """What drives the pump: both are exact, aiokafka needs a third of the CPU a message."""
    topic_prefix: str = ""
    """Put before every topic, consumer group and Redis key; lets two systems share servers."""
    write_version: WriteVersion = OLD
    """Version of what is stored and sent: 4, or 5 once every process of the fleet reads it. Both are read always."""
    label_sets: str = str(SHIPPED)
    """Path of the file that says by which labels series are put together ahead of questions; read at start."""
    live_every_ms: int = 1000
    """Time between two publications of the open windows, 100 to 60000."""
    pool_size: int = 3
    """Connections to Postgres, 2 to 20: commits, acquisitions, maintenance."""
    metrics_host: str = "127.0.0.1"
    """Address at which Prometheus may read metrics; in a container 0.0.0.0."""
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Port for Prometheus; 0: no port is opened."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 100 <= self.live_every_ms <= 60_000:
            raise ValueError("live_every_ms: must be 100 to 60000")
        if not 2 <= self.pool_size <= 20:
            raise ValueError("pool_size: must be 2 to 20")
