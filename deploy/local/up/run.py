"""`tidegauge up`: servers, tables, topics, a demo tenant, services and real traffic, until Ctrl-C.

Times are milliseconds, spans seconds. Invariant: the end of the run leaves no process behind.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from deploy import api_keys
from deploy.kafka import topics
from deploy.local import sink
from deploy.local.demo.keys import DEMO, demo_keys
from deploy.local.interrupt import Stopping, interruptible
from deploy.local.ports import Ports
from deploy.local.run_sync import run_sync
from deploy.local.running import MEMORY as RUNNING
from deploy.local.servers.server import OwnServer
from deploy.local.stack import Stack
from deploy.local.up import how_to_try, role_addresses
from deploy.local.up.progress import Progress
from deploy.local.up.services import SERVICES, GatewayPorts, ServiceEnvironment
from deploy.local.up.supervisor import Supervisor
from deploy.local.up.tail import Tail
from deploy.postgres.migrate import migrate
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.wire.topics import DEFAULT_PARTITIONS

INTAKE_PORT, QUERY_PORT = 8080, 8081
"""Ports of the gateway's roles unless they are taken."""

READY_S = 60.0
"""How long the services may take until they are ready."""

WINDOW_S = 60.0
"""How long to wait for the first closed window before saying that there is none."""

TEND_S = 0.1
"""Pause between two checks of the children."""

_FIRST_WINDOW = """
SELECT count(*) > 0 FROM rollup_10s JOIN series USING (series_id) JOIN tenant USING (tenant_id)
WHERE tenant.name = $1 AND window_start > $2"""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user asked for."""

    folder: Path
    fresh: bool = False
    servers_only: bool = False
    demo: bool = True


def run(options: UpOptions, progress: Progress) -> None:
    """Run the system until Ctrl-C or SIGTERM."""
    locked = Stack.locked(options.folder, durable=True, fresh=options.fresh, say=progress.say)
    try:
        with interruptible() as interrupt, locked as stack:
            supervisor = Supervisor(stack.folder, progress.say)
            interrupt.force += [supervisor.kill, stack.kill]
            try:
                _Run(options, progress, stack, supervisor).run()
            except Stopping:
                progress.say("stopping (Ctrl-C again ends at once)")
            finally:
                (stack.folder.path / RUNNING).unlink(missing_ok=True)
                supervisor.stop()
    except Stopping:
        pass
    progress.say("stopped")


class _Run:
    """One run, step by step."""

    def __init__(self, options: UpOptions, progress: Progress, stack: Stack, supervisor: Supervisor) -> None:
        self._options = options
        self._progress = progress
        self._stack = stack
        self._supervisor = supervisor
        self._keys = demo_keys(stack.folder)
        self._intake, self._query = _gateway_ports(stack.ports)
        self._sink_port = stack.ports.pick("sink", "SINK_PORT", sink.PORT)
        self._role_addresses: dict[str, str] = {}
        self._pages = Tail(stack.folder.log / "sink.log", progress.page)

    def run(self) -> None:
        demo = self._options.demo and not self._options.servers_only
        if demo:  # first, so that it measures while the rest starts
            self._supervisor.start("demo", "deploy.local.demo.traffic", self._public())
        self._stack.start()
        run_sync(self._prepare())
        if not self._options.servers_only:
            self._start_services()
        if demo:
            self._await_window()
        self._announce()
        self._supervisor.started()
        self._until(lambda: False)

    def _public(self) -> dict[str, str]:
        keys = {f"TIDEGAUGE_{scope.upper()}_KEY": key for scope, key in self._keys.items()}
        return {"TIDEGAUGE_URL": self._intake.url, "TIDEGAUGE_QUERY_URL": self._query.url, **keys}

    async def _prepare(self) -> None:
        made, applied = await asyncio.gather(topics.create(self._stack.kafka), migrate(self._stack.postgres))
        if isinstance(self._stack.servers["postgres"], OwnServer):  # of another's server the roles are his
            self._role_addresses = await role_addresses.make(self._stack.folder, self._stack.postgres)
        for scope, key in self._keys.items():
            await api_keys.create(self._stack.postgres, DEMO, key, scope)
        self._progress.say(
            f"topics and tables are there ({len(made)} topics made, {len(applied)} migrations applied)"
        )

    def _start_services(self) -> None:
        environ = self._stack.environ
        now = run_sync(_now(self._stack.postgres))
        self._services = services = ServiceEnvironment(
            environ, self._intake, self._query, self._sink_port, now, DEFAULT_PARTITIONS, self._role_addresses
        )
        self._supervisor.start("sink", "deploy.local.sink", {"SINK_PORT": str(self._sink_port)}, last=True)
        for service in SERVICES:
            self._supervisor.start(service.name, service.module, service.environ(services))
        for service in SERVICES:
            if not self._until(lambda ready=service.ready: ready(services), READY_S):  # type: ignore[misc]
                end = self._supervisor.child(service.name).log_end()
                raise Unavailable(service.name, f"not ready in {READY_S:.0f} s; the end of its log:\n{end}")
            self._progress.say(f"{service.name} is ready")

    def _await_window(self) -> None:
        from shared.model.window import BASE_MS  # noqa: PLC0415  brings numpy, and the servers should start first

        # The window in which this run began counts, although the run saw only a part of it.
        since = datetime.fromtimestamp((self._progress.started_ms - BASE_MS) / 1000, UTC)
        if self._until(lambda: run_sync(_has_window(self._stack.postgres, since)), WINDOW_S):
            self._progress.say(f"first closed window, {self._progress.elapsed_s:.1f} s after the start")
        else:
            logs = self._stack.folder.log
            self._progress.say(f"no window has closed in {WINDOW_S:.0f} s: see the logs in {logs}")

    def _announce(self) -> None:
        addresses = self._stack.environ
        if self._options.servers_only:
            self._stack.folder.remember(RUNNING, addresses)
            self._progress.say('servers are up; `eval "$(tidegauge env)"` gives a shell their addresses')
            return
        self._stack.folder.remember(RUNNING, addresses | self._public() | self._services.settings)
        servers = {name: server.address for name, server in self._stack.servers.items()}
        link = run_sync(
            api_keys.login_link(self._stack.postgres, servers["redis"], self._query.url, self._keys["admin"])
        )
        self._progress.show(how_to_try.text(link, self._intake.url, self._query.url, servers, self._keys))

    def _until(self, condition: Callable[[], bool], limit_s: float = float("inf")) -> bool:
        """Look after the children until the condition holds; False when it does not by the limit."""
        pause, deadline = threading.Event(), monotonic_s() + limit_s
        while not condition():
            if monotonic_s() > deadline:
                return False
            self._supervisor.tend()
            self._pages.show()
            pause.wait(TEND_S)
        return True


def _gateway_ports(ports: Ports) -> tuple[GatewayPorts, GatewayPorts]:
    """Those of the intake and of the queries."""
    intake = GatewayPorts(
        # By the name under which a folder remembers the port from when there was one process.
        ports.pick("gateway", "GATEWAY_PORT", INTAKE_PORT),
        ports.pick("gateway-metrics", "GATEWAY_METRICS_PORT"),
    )
    query = GatewayPorts(
        ports.pick("gateway-query", "GATEWAY_QUERY_PORT", QUERY_PORT),
        ports.pick("gateway-query-metrics", "GATEWAY_QUERY_METRICS_PORT"),
    )
    return intake, query


async def _now(dsn: str) -> object:
    return await _asked(dsn, "SELECT now()")


async def _has_window(dsn: str, since: datetime) -> bool:
    return bool(await _asked(dsn, _FIRST_WINDOW, DEMO, since))


async def _asked(dsn: str, sql: str, *values: object) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql, *values)
    finally:
        await connection.close()
