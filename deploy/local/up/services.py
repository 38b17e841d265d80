"""The services that `tidegauge up` runs: their environment, and when each is ready.

Ready is a fact: each role of the gateway answers its health check, a worker owns every partition of its topic.
"""

import http.client
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import asyncpg

from deploy.local.folder import ROOT
from deploy.local.ports import LOOPBACK
from deploy.local.run_sync import run_sync
from shared.wire.topics import EVENTS, METRICS, WINDOWS, Topic
from shared.wire.versions import NEW

RULES = ROOT / "deploy/rules/default.yml"
"""The rules shipped."""

WORKERS = ("ingest", "aggregator", "alerts")
"""Services that sign in to Postgres as one role each; of the gateway each process has another."""

_OWNED = """
SELECT count(*) FILTER (WHERE owner <> '' AND updated_at >= $2) >= $3
FROM partition_state WHERE topic = $1"""


@dataclass(frozen=True, slots=True)
class GatewayPorts:
    """The ports of one role of the gateway, on loopback."""

    api: int
    """Where clients ask."""
    metrics: int
    """Where its health and its instruments are read."""

    @property
    def url(self) -> str:
        """Address of its API."""
        return f"http://{LOOPBACK}:{self.api}"


@dataclass(frozen=True, slots=True)
class ServiceEnvironment:
    """What the services are started with and asked about."""

    environ: dict[str, str]
    """Addresses of the servers, as TIDEGAUGE_*."""
    intake: GatewayPorts
    """Of the role that takes points and events."""
    query: GatewayPorts
    """Of the role that answers reads."""
    sink_port: int
    """Port of the sink on loopback."""
    started_at: object
    """Postgres' clock before the services were started."""
    partitions: int
    """Partitions of each topic."""
    role_addresses: Mapping[str, str] = field(default_factory=dict)
    """Address of Postgres by role; empty: all sign in as the one whose address was given."""

    @property
    def settings(self) -> dict[str, str]:
        """What all processes of a service share, beside the addresses of the servers."""
        return {
            # All services of this system are of one build, so nobody is left who reads only the older version.
            "TIDEGAUGE_WRITE_VERSION": os.environ.get("TIDEGAUGE_WRITE_VERSION", str(NEW)),
            "GATEWAY_INTAKE_URL": self.intake.url,
            "GATEWAY_QUERY_URL": self.query.url,
            "ALERTS_RULES": str(RULES),
            "ALERTS_WEBHOOKS": f"sink=http://{LOOPBACK}:{self.sink_port}/",
            "ALERTS_EXTERNAL_URL": self.query.url,
            **{
                f"{role.upper()}_POSTGRES": address
                for role, address in self.role_addresses.items()
                if role in WORKERS
            },
        }


@dataclass(frozen=True, slots=True)
class Service:
    """One row of the table below."""

    name: str
    module: str
    role: str
    """Whom it signs in to Postgres as."""
    ready: Callable[[ServiceEnvironment], bool]
    own: Callable[[ServiceEnvironment], dict[str, str]] = field(default=lambda _: {})
    """Settings beside those of all."""

    def environ(self, environment: ServiceEnvironment) -> dict[str, str]:
        """What it is started with."""
        address = environment.role_addresses.get(self.role)
        signed_in = {"TIDEGAUGE_POSTGRES": address} if address else {}
        return environment.environ | environment.settings | signed_in | self.own(environment)


def _ready(ports: Callable[[ServiceEnvironment], GatewayPorts]) -> Callable[[ServiceEnvironment], bool]:
    """Ready is a role that says so at its port for health."""

    def ready(environment: ServiceEnvironment) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, ports(environment).metrics, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ready


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


def _gateway(role: str, ports: Callable[[ServiceEnvironment], GatewayPorts]) -> Service:
    """A role of the gateway, as a process of its own."""

    def environ(environment: ServiceEnvironment) -> dict[str, str]:
        mine = ports(environment)
        return {
            "GATEWAY_ROLE": role,
            "GATEWAY_HOST": LOOPBACK,
            "GATEWAY_PORT": str(mine.api),
            "GATEWAY_METRICS_HOST": LOOPBACK,
            "GATEWAY_METRICS_PORT": str(mine.metrics),
        }

    return Service(f"gateway-{role}", "services.gateway", role, _ready(ports), environ)


SERVICES = (
    _gateway("intake", lambda environment: environment.intake),
    _gateway("query", lambda environment: environment.query),
    Service("ingest", "services.ingest", "ingest", _owned(EVENTS)),
    Service("aggregator", "services.aggregator", "aggregator", _owned(METRICS)),
    Service("alerts", "services.alerts", "alerts", _owned(WINDOWS)),
)
"""Every process that `tidegauge up` runs, in the order in which data flow."""
