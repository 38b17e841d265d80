"""The services that `tidegauge up` runs: their environment, and when each is ready.

Ready is a fact: the gateway answers its health check, a worker owns every partition of its topic.
"""

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg

from deploy.local.folder import ROOT
from deploy.local.ports import LOOPBACK
from deploy.local.run_sync import run_sync
from shared.wire.topics import EVENTS, METRICS, WINDOWS, Topic

RULES = ROOT / "deploy/rules/default.yml"
"""The rules shipped."""

_OWNED = """
SELECT count(*) FILTER (WHERE owner <> '' AND updated_at >= $2) >= $3
FROM partition_state WHERE topic = $1"""


@dataclass(frozen=True, slots=True)
class ServiceEnvironment:
    """What the services are started with and asked about."""

    environ: dict[str, str]
    """Addresses of the servers, as TIDEGAUGE_*."""
    port: int
    """Port of the gateway on loopback."""
    sink_port: int
    """Port of the sink on loopback."""
    started_at: object
    """Postgres' clock before the services were started."""
    partitions: int
    """Partitions of each topic."""

    @property
    def url(self) -> str:
        """Address of the public API."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def alerting(self) -> dict[str, str]:
        """The settings of the alert service besides the addresses of the servers."""
        return {
            "ALERTS_RULES": str(RULES),
            "ALERTS_WEBHOOKS": f"sink=http://{LOOPBACK}:{self.sink_port}/",
            "ALERTS_EXTERNAL_URL": self.url,
        }


@dataclass(frozen=True, slots=True)
class Service:
    """One row of the table below."""

    name: str
    module: str
    ready: Callable[[ServiceEnvironment], bool]
    environ: Callable[[ServiceEnvironment], dict[str, str]] = field(default=lambda _: {})


def _gateway_ready(environment: ServiceEnvironment) -> bool:
    connection = http.client.HTTPConnection(urlsplit(environment.url).netloc, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _owned(topic: Topic) -> Callable[[ServiceEnvironment], bool]:
    """Ready is who owns all partitions of its topic."""

    def ready(environment: ServiceEnvironment) -> bool:
        dsn = environment.environ["TIDEGAUGE_POSTGRES"]
        return run_sync(_ask(dsn, topic.name, environment.started_at, environment.partitions))

    return ready


async def _ask(dsn: str, topic: str, since: object, partitions: int) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetchval(_OWNED, topic, since, partitions))
    finally:
        await connection.close()


SERVICES = (
    Service(
        "gateway",
        "services.gateway",
        _gateway_ready,
        lambda environment: {"GATEWAY_HOST": LOOPBACK, "GATEWAY_PORT": str(environment.port)},
    ),
    Service("ingest", "services.ingest", _owned(EVENTS)),
    Service("aggregator", "services.aggregator", _owned(METRICS)),
    Service("alerts", "services.alerts", _owned(WINDOWS), lambda environment: environment.alerting),
)
"""Every service that `tidegauge up` runs, in the order in which data flow."""
