"""Settings of ingest, read once at start from `INGEST_*`, else `TIDEGAUGE_*`.

The names contain the units. A value out of range stops the start, with an error that names the setting.
"""

from typing import Annotated

import msgspec

from shared.stream.runtimes.choice import Runtime
from shared.wire.versions import OLD, WriteVersion


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    kafka: str
    """Address of Kafka, host:port."""
    postgres: str
    """Address of Postgres, postgresql://user@host:port/database."""
    runtime: Runtime = "faust"
    """What drives the pump: both are exact; a stream of events to a handler is what Faust's agents are made for."""
    topic_prefix: str = ""
    """Put before every topic and the consumer group; lets two systems share servers."""
    write_version: WriteVersion = OLD
    """Version of what is stored and sent: 4, or 5 once every process of the fleet reads it. Both are read always."""
    pool_size: int = 3
    """Connections to Postgres, 2 to 20: commits, look-ups, maintenance."""
    metrics_host: str = "127.0.0.1"
    """Address at which Prometheus may read metrics; in a container 0.0.0.0."""
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Port for Prometheus; 0: no port is opened."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 2 <= self.pool_size <= 20:
            raise ValueError("pool_size: must be 2 to 20")
