"""The local servers together: Kafka, Postgres and Redis of one folder, started at once, stopped in reverse.

Spans are seconds. Invariant: leaving the `with` block leaves no process behind, whatever happened inside.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.folder import StateFolder
from deploy.local.leftovers import end_leftovers
from deploy.local.ports import Ports
from deploy.local.servers import kafka, postgres, redis
from deploy.local.servers.prerequisites import Say
from deploy.local.servers.server import GivenServer, OwnServer, Recipe, Server

__all__ = ["Stack"]

_NAMES = {"kafka": "Kafka", "postgres": "Postgres", "redis": "Redis"}


def _nothing(_: str) -> None:
    """Say nothing."""


class Stack:
    """The servers of one folder; their addresses as clients want them."""

    def __init__(self, folder: StateFolder, ports: Ports, servers: list[Server], say: Say) -> None:
        self.folder = folder
        self.ports = ports
        self.servers = {server.name: server for server in servers}
        self._say = say

    @property
    def kafka(self) -> str:
        """Bootstrap address, host:port."""
        return self.servers["kafka"].address

    @property
    def postgres(self) -> str:
        """Address of the database, postgresql://..."""
        return self.servers["postgres"].address

    @property
    def redis(self) -> str:
        """Address of the cache, redis://..."""
        return self.servers["redis"].address

    @property
    def environ(self) -> dict[str, str]:
        """The addresses as the services read them."""
        return {f"TIDEGAUGE_{name.upper()}": server.address for name, server in self.servers.items()}

    @classmethod
    @contextmanager
    def up(
        cls,
        folder: Path,
        durable: bool = False,  # noqa: FBT001, FBT002  always given by name
        say: Say = _nothing,
        environ: Mapping[str, str] = os.environ,
    ) -> Iterator["Stack"]:
        """Servers that answer; `durable=False` is for tests: saved data may go with the machine."""
        with cls.locked(folder, durable=durable, say=say, environ=environ) as stack:
            stack.start()
            yield stack

    @classmethod
    @contextmanager
    def locked(
        cls,
        folder: Path,
        *,
        durable: bool,
        fresh: bool = False,
        say: Say = _nothing,
        environ: Mapping[str, str] = os.environ,
    ) -> Iterator["Stack"]:
        """The folder is ours, leftovers are gone, ports are chosen; nothing runs yet. Stops all at the end."""
        state = StateFolder(folder)
        with state.lock():
            if left := end_leftovers(state):
                say(f"ended what a previous run left: {', '.join(left)}")
            if fresh:
                state.forget()
                say("forgot the data, logs, keys and ports of earlier runs")
            ports = Ports(state, environ)
            stack = cls(state, ports, _servers(state, ports, durable, say, environ), say)
            try:
                yield stack
            finally:
                stack.stop()

    def start(self) -> None:
        """Start all servers at once and wait until each answers."""
        for server in self.servers.values():
            server.prepare()
        # Kafka is prepared first and started last: its log folder is formatted while Postgres makes its cluster.
        for server in reversed(self.servers.values()):
            server.start()
        for server in reversed(self.servers.values()):
            server.wait_ready()
            self._say(f"{_NAMES[server.name]} answers at {server.address.rpartition('@')[2]}")

    def stop(self) -> None:
        """Stop all in reverse order of need: Kafka last, for nobody writes to it then."""
        for server in reversed(self.servers.values()):
            server.stop()

    def kill(self) -> None:
        """End all at once, by force."""
        for server in self.servers.values():
            if isinstance(server, OwnServer):
                server.kill()


def _servers(
    folder: StateFolder,
    ports: Ports,
    durable: bool,  # noqa: FBT001  passed through
    say: Say,
    environ: Mapping[str, str],
) -> list[Server]:
    answers: dict[str, Callable[[str], bool]] = {
        "kafka": kafka.answers,
        "postgres": postgres.answers,
        "redis": redis.answers,
    }
    recipes: dict[str, Callable[[], Recipe]] = {
        "kafka": lambda: kafka.Kafka(folder, ports, say),
        "postgres": lambda: postgres.Postgres(folder, ports, durable=durable),
        "redis": lambda: redis.Redis(folder, ports),
    }

    def server(name: str) -> Server:
        if address := environ.get(f"TIDEGAUGE_{name.upper()}"):
            return GivenServer(name, address, lambda: answers[name](address))
        return OwnServer(recipes[name](), folder)

    return [server(name) for name in recipes]
