"""The services as child processes: started, watched, restarted with a pause that grows.

Spans are seconds. A service that ends itself (code 70: its watchdog) is part of normal life. The law: three ends within
half a minute are not, and stop the run with the end of the log.
"""

import http.client
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg

from deploy.local.folder import ROOT, StateFolder
from deploy.local.ports import LOOPBACK
from deploy.local.prerequisites import Say
from deploy.local.process import Child, bound_to_us
from deploy.local.run_sync import run_sync
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import spread
from shared.wire.topics import EVENTS, METRICS, WINDOWS, Topic

GIVE_UP_ENDS, GIVE_UP_S = 3, 30.0
"""So many ends within this span stop the run."""

PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
"""Longest pause before a restart: doubled each time up to the last, and spread."""

STOP_S = 15.0
"""How long a service may take to drain and end."""

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
        """What the alert service is told besides the addresses of the servers."""
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


class Watched:
    """A child that is started again whenever it ends."""

    def __init__(self, child: Child, command: list[str], say: Say) -> None:
        self.child = child
        self._command = command
        self._say = say
        self._ends: deque[float] = deque(maxlen=GIVE_UP_ENDS)
        self._pause_s = PAUSE_S
        self._due_s: float | None = None

    def start(self) -> None:
        """Start it for the first time."""
        self.child.start(bound_to_us(self._command))

    def tend(self, now_s: float) -> None:
        """Notice its end, start it again when its pause is over; the error when it ends too often."""
        if self.child.alive:
            return
        if self._due_s is None:
            self._ends.append(now_s)
            if len(self._ends) == GIVE_UP_ENDS and now_s - self._ends[0] < GIVE_UP_S:
                raise self.child.exit_error()
            # A long life wipes out earlier troubles.
            recent = sum(now_s - end < GIVE_UP_S for end in self._ends)
            self._pause_s = spread(min(PAUSE_S * 2 ** (recent - 1), LONGEST_PAUSE_S))
            self._due_s = now_s + self._pause_s
            self._say(
                f"{self.child.name} ended with code {self.child.exit_code}; "
                f"again in {self._pause_s:.0f} s (see {self.child.log})"
            )
        elif now_s >= self._due_s:
            self._due_s = None
            self.start()


class Supervisor:
    """All the children beside the servers: services, the demo traffic and the sink."""

    def __init__(self, folder: StateFolder, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._watched: list[Watched] = []
        self._last: set[str] = set()

    def start(self, name: str, module: str, environ: dict[str, str], *, last: bool = False) -> None:
        """Start `python -m module` and watch it from now on; `last`: the others are stopped before it."""
        log = self._folder.log / f"{name}.log"
        child = Child(name, log, self._folder.path, environ=environ, cwd=ROOT)
        watched = Watched(child, [sys.executable, "-m", module], self._say)
        self._watched.append(watched)
        if last:
            self._last.add(name)
        watched.start()

    def tend(self) -> None:
        """Look after all of them once."""
        now_s = monotonic_s()
        for watched in self._watched:
            watched.tend(now_s)

    def stop(self) -> None:
        """End all, who writes before who reads; by force when that takes too long."""
        for watched in sorted(self._watched, key=lambda watched: watched.child.name in self._last):
            watched.child.stop(signal.SIGTERM, STOP_S)

    def child(self, name: str) -> Child:
        """One of them by its name."""
        return next(watched.child for watched in self._watched if watched.child.name == name)

    def kill(self) -> None:
        """End all at once."""
        for watched in self._watched:
            watched.child.kill()
